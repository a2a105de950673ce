"""The types of weights: a library's loader would take the file's, or its own default of the day."""

import ast
from pathlib import Path

import editmgt

ROOT = Path(editmgt.__file__).parent
NO_WEIGHTS = {"LoraConfig", "tokenizer_class"}  # a configuration, a tokenizer


def test_every_loader_of_a_library_is_told_the_type() -> None:
    trees = {path: ast.parse(path.read_text()) for path in ROOT.rglob("*.py")}
    # this package's own loaders end in a library's, or in tensors that keep their type
    own = {
        node.name
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        and any(isinstance(part, ast.FunctionDef) and part.name == "from_pretrained" for part in node.body)
    }
    told = 0
    for path, tree in trees.items():
        for call in ast.walk(tree):
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
                continue
            if not call.func.attr.endswith("from_pretrained"):
                continue
            if ast.unparse(call.func.value) in own | NO_WEIGHTS:
                continue
            written = ast.unparse(call)
            types = ("dtype=torch.", "'dtype': dtype", "precision='fp32'")
            assert any(text in written for text in types), f"{path}:{call.lineno}: {written}"
            told += 1
    assert told >= 3  # DINO, CLIP, and whatever an editor is made of
