"""Other models' edits of a benchmark, to compare with: a directory of pictures and the list of whose they are."""

from pathlib import Path

from editmgt.benchmarks.entries import check_texts, read_lines
from editmgt.errors import UserError
from editmgt.paths import within

INDEX = "metadata.jsonl"


def read_candidates(path: str) -> dict[str, dict[str, Path]]:
    """Return sample -> model -> picture, of a gallery as GEditBench v2 publishes it: a directory, or its ``metadata.jsonl``.

    A line is ``{"key": "...", "candidates": [{"model": "...", "image": "MODEL/KEY.png"}]}``; pictures lie beside the file. A
    ``UserError`` for another form, a picture that is not there or outside, a model that is there twice.
    """
    told = f"benchmark.judge.candidates={path}"
    file = Path(path) / INDEX if Path(path).is_dir() else Path(path)
    if not file.is_file():
        raise UserError(f"{told} is no directory with {INDEX}, and no such file.")
    found: dict[str, dict[str, Path]] = {}
    for entry in read_lines(file):
        check_texts(file, str(entry.get("key")), entry, ("key",))
        key, listed = entry["key"], entry.get("candidates")
        if not isinstance(listed, list):
            raise UserError(f"{file}: entry {key} needs 'candidates', a list.")
        of_key = found.setdefault(key, {})
        for candidate in listed:
            check_texts(file, key, candidate, ("model", "image"))
            if candidate["model"] in of_key:
                raise UserError(f"{file}: entry {key} has two pictures of {candidate['model']}.")
            of_key[candidate["model"]] = within(file.parent, candidate["image"], f"{told}: image")
    if not any(found.values()):
        raise UserError(f"{told} holds no candidates.")
    return found
