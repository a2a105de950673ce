"""Names, revisions, variants, and a hub: a real server on this machine with a real client."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from editmgt.errors import UserError
from editmgt.weights import find, on_hub, split, variant_of, wanted, weight_files

COMMITS = {"main": "a" * 40, "v1": "b" * 40}
FILES = {
    "model_index.json": b"{}",
    "transformer/config.json": b"{}",
    "transformer/diffusion_pytorch_model.safetensors": b"plain",
    "transformer/diffusion_pytorch_model.fp16.safetensors": b"half",
    "transformer/diffusion_pytorch_model.bin": b"pickle",
    "text_encoder/model.safetensors": b"text",
    "run_me.py": b"raise SystemExit",
}


def test_names() -> None:
    assert split("WeiChow/EditMGT@v1:fp16") == ("WeiChow/EditMGT@v1", "fp16")
    assert split("WeiChow/EditMGT") == ("WeiChow/EditMGT", "")
    assert on_hub("WeiChow/EditMGT@refs/pr/1:bf16") and not on_hub("tiny_editor") and not on_hub("/a/b")
    assert variant_of("model.safetensors") == variant_of("model-00001-of-00002.safetensors") == ""
    for name in ("model.fp16", "model.fp16-00001-of-00002", "model-00001-of-00002.fp16"):
        assert variant_of(f"{name}.safetensors") == "fp16"


def test_a_local_directory_may_have_a_colon_in_its_name(tmp_path: Path) -> None:
    directory = tmp_path / "run:1"
    directory.mkdir()
    assert find(directory) == (directory, "")


def test_what_is_fetched_is_one_variant_and_no_code() -> None:
    texts = ["model_index.json", "transformer/config.json"]
    plain = "transformer/diffusion_pytorch_model.safetensors"
    text = "text_encoder/model.safetensors"
    assert sorted(wanted(FILES)) == sorted([*texts, plain, text])
    half = "transformer/diffusion_pytorch_model.fp16.safetensors"
    assert sorted(wanted(FILES, "fp16")) == sorted([*texts, half, text])
    both = ["editmgt/a.safetensors", "transformer/a.safetensors", "a.safetensors"]
    assert wanted(both) == ["a.safetensors", "editmgt/a.safetensors"]  # not the editor's base


@pytest.mark.parametrize("content", ["{", "[]", '{"weight_map": 3}', '{"weight_map": {"a": 3}}'])
def test_a_broken_index_is_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(content)
    with pytest.raises(UserError, match=r"model\.safetensors\.index\.json"):
        weight_files(tmp_path, "model")


class Hub(BaseHTTPRequestHandler):
    """As much of the hub's interface as fetching ``some/editor`` takes."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        parts = self.path.split("?")[0].strip("/").split("/")
        if parts[:1] == ["api"]:
            self.api(parts)
        elif parts[:3] == ["some", "editor", "resolve"] and parts[3] in COMMITS.values():
            content = FILES["/".join(parts[4:])]
            etag = f'"{hashlib.sha256(content).hexdigest()}"'
            self.reply(200, content, {"ETag": etag, "X-Repo-Commit": parts[3]})
        else:
            self.reply(404, b"")

    def api(self, parts: list[str]) -> None:
        revision = parts[5] if len(parts) > 5 else "main"
        commit = COMMITS.get(revision, revision if revision in COMMITS.values() else None)
        if parts[1:4] != ["models", "some", "editor"]:
            self.reply(404, b"{}", {"X-Error-Code": "RepoNotFound"})
        elif commit is None:
            self.reply(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        else:
            tree: list[dict[str, Any]] = [
                {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                for name, content in FILES.items()
            ]
            info = {"id": "some/editor", "sha": commit, "siblings": [{"rfilename": name} for name in FILES]}
            self.reply(200, json.dumps(tree if len(parts) > 4 and parts[4] == "tree" else info).encode())

    def reply(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def hub() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


SCRIPT = """
import sys
from editmgt.errors import UserError
from editmgt.weights import find
for name in sys.argv[1:]:
    try:
        directory = find(name).directory
        print(directory.name[0], *sorted(p.name for p in directory.rglob("*") if p.is_file()))
    except UserError as error:
        print(error)
"""


def fetch(cache: Path, *names: str, **environment: str) -> list[str]:
    quiet = {"HF_HOME": str(cache), "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_XET": "1"}
    quiet["HF_HUB_OFFLINE"] = "0"  # whatever the shell says: this hub is on this machine
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, *names],
        env=os.environ | quiet | environment,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()


def test_a_repository_is_fetched_at_a_revision_and_found_offline(hub: str, tmp_path: Path) -> None:
    names = ("some/editor", "some/editor@v1:fp16", "some/editor@v2", "some/edit", "some/editor:fp61")
    plain, half, no_revision, no_repository, no_variant = fetch(tmp_path, *names, HF_ENDPOINT=hub)
    common = ["config.json", "model.safetensors", "model_index.json"]
    assert plain == " ".join(["a", *sorted([*common, "diffusion_pytorch_model.safetensors"])])
    assert half == " ".join(["b", *sorted([*common, "diffusion_pytorch_model.fp16.safetensors"])])
    assert no_revision == "'some/editor' has no revision 'v2' on the Hugging Face hub."
    assert no_repository.startswith("'some/edit' is no directory here and not on the Hugging Face hub")
    assert no_variant == "some/editor has no variant 'fp61'; it has none."

    offline = fetch(tmp_path, "some/editor", "some/other", HF_HUB_OFFLINE="1")
    assert offline[0] == plain
    assert offline[1] == (
        "'some/other' is no directory here and could not be fetched from the Hugging Face hub "
        "(HF_HUB_OFFLINE is set), nor is it in its cache."
    )


def test_without_a_network_the_cache_or_one_line(hub: str, tmp_path: Path) -> None:
    [plain] = fetch(tmp_path, "some/editor", HF_ENDPOINT=hub)
    nobody = "http://127.0.0.1:9"
    cached, other = fetch(tmp_path, "some/editor", "some/other", HF_ENDPOINT=nobody)
    assert cached == plain
    assert "could not be fetched" in other and "nor is it in its cache" in other
