"""MagicBrush's test set as its zip unpacks: layout, captions, and the truth of where a turn edits."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from editmgt.benchmarks import EditSample, build, rows_digest
from editmgt.config.benchmark import Benchmark
from editmgt.editing import Editor
from editmgt.errors import UserError
from editmgt.evaluation.evaluate import controls
from editmgt.metrics import EditBatch, Scorer

SIZE = 64
HOLE = (slice(8, 24), slice(40, 56))  # 16 x 16 of 64 x 64 pixels
SHARE = 16 * 16 / 64**2  # .0625


def picture(seed: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)


def released(root: Path, zipped: bool = False) -> Path:
    """Two sessions, of two turns and of one: a miniature of what ``test.zip`` holds; returns where it was put."""
    test = root / "made" / "test"
    sessions: dict[str, list[dict[str, str]]] = {}
    local: dict[str, dict[str, str]] = {}
    for session, turns in (("242679", 2), ("139", 1)):
        folder = test / "images" / session
        folder.mkdir(parents=True)
        before = picture(int(session))
        Image.fromarray(before).save(folder / f"{session}-input.png")
        for turn in range(1, turns + 1):
            alpha = np.full((SIZE, SIZE, 1), 255, np.uint8)
            alpha[HOLE] = 0
            Image.fromarray(np.concatenate([before, alpha], axis=2)).save(
                folder / f"{session}-mask{turn}.png"
            )
            after = before.copy()
            after[HOLE] = picture(turn)[HOLE]
            Image.fromarray(after).save(folder / f"{session}-output{turn}.png")
            source = f"{session}-input.png" if turn == 1 else f"{session}-output{turn - 1}.png"
            edit = {
                "input": source,
                "mask": f"{session}-mask{turn}.png",
                "output": f"{session}-output{turn}.png",
            }
            sessions.setdefault(session, []).append(edit | {"instruction": f"turn {turn} of {session}"})
            local.setdefault(session, {})[edit["output"]] = f"what turn {turn} shows"
            before = after
    for name, content in (
        ("edit_sessions", sessions), ("edit_turns", [edit for edits in sessions.values() for edit in edits]),
        ("local_descriptions", local), ("global_descriptions", {}),
    ):  # fmt: skip
        (test / f"{name}.json").write_text(json.dumps(content))
    if not zipped:
        return root / "made"
    archive = shutil.make_archive(str(root / "test"), "zip", root / "made")
    shutil.unpack_archive(archive, root / "unzipped")
    return root / "unzipped"


def config(path: Path, turns: str = "all") -> dict[str, Any]:
    name = "magicbrush" if turns == "all" else "magicbrush_final"
    common = {"size": None, "batch_size": 4, "seed": 0}
    return {"name": name, "path": str(path), "split": "dev", "turns": turns, **common}


def samples(path: Path, turns: str = "all") -> list[EditSample]:
    rows = build(Benchmark.of(config(path, turns)))
    return [rows[i] for i in range(len(rows))]


def test_the_unzipped_test_set_is_read_as_it_is(tmp_path: Path) -> None:
    path = released(tmp_path, zipped=True)
    found = samples(path)
    assert [(row.sample_id, row.source_id, row.edit_type) for row in found] == [
        ("242679-1", "242679", "turn 1"), ("242679-2", "242679", "turn 2"), ("139-1", "139", "turn 1"),
    ]  # fmt: skip
    first, second, _ = found
    assert second.instruction == "turn 2 of 242679" and second.target_caption == "what turn 2 shows"
    assert second.target is not None and np.array_equal(second.source, first.target)
    inside = [dataclasses.asdict(row) for row in samples(path / "test")]
    assert [row["sample_id"] for row in inside] == [row.sample_id for row in found]
    session, single = samples(path, "final")
    assert (session.sample_id, session.before) == ("242679-final", ("turn 1 of 242679",))
    assert np.array_equal(session.source, first.source) and np.array_equal(session.target, second.target)
    assert session.target_caption == "what turn 2 shows" and session.edit_mask is None
    assert single.before == () and single.edit_type == "1 turns"


def test_the_hole_is_where_a_turn_edits(tmp_path: Path) -> None:
    """The share is known; what differs between source and target lies in it, and metrics of an exact edit say so."""
    for row in samples(released(tmp_path)):
        assert row.edit_mask is not None and row.target is not None
        assert row.edit_mask.mean() == SHARE and row.edit_mask[HOLE].all()
        assert (row.edit_mask >= (row.source != row.target).any(axis=2)).all()

        def pixels(array: Any) -> torch.Tensor:
            return torch.tensor(array).permute(2, 0, 1)[None].float() / 255

        batch = EditBatch(
            edited=pixels(row.target), source=pixels(row.source), target=pixels(row.target),
            edit_mask=torch.tensor(row.edit_mask)[None], source_codec=pixels(row.source),
            localization=torch.tensor(row.edit_mask)[None].float(), hold_threshold=0.5,
        )  # fmt: skip
        names = ("outside/l1", "inside/l1", "edit/success", "localization/iou", "localization/auc")
        found = {name: float(value) for name, value in Scorer(names).score(batch).items()}
        assert found == {
            "outside/l1": 0.0, "inside/l1": 0.0, "edit/success": 1.0, "localization/iou": 1.0, "localization/auc": 1.0,
        }  # fmt: skip


def test_the_oracle_edits_in_the_hole_alone(
    tiny_editor: Editor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    edit = tiny_editor.edit

    def watched(*arguments: Any, **options: Any) -> Any:
        asked.extend(options["mask"] or ())
        return edit(*arguments, **options)

    monkeypatch.setattr(tiny_editor, "edit", watched)
    rows = build(Benchmark.of(config(released(tmp_path))))
    found = controls(tiny_editor, rows, tiny_editor.settings, tmp_path / "out", metrics=["outside/l1"])
    assert found["control: oracle mask"]["n"] == 3
    assert [float(np.asarray(mask).mean()) for mask in asked] == [SHARE] * 3


def test_captions_that_are_not_there_are_undefined(tmp_path: Path) -> None:
    path = released(tmp_path)
    (path / "test" / "local_descriptions.json").unlink()
    assert {row.target_caption for row in samples(path)} == {""}


def test_the_identity_holds_what_a_session_is_made_of(tmp_path: Path) -> None:
    path = released(tmp_path)
    digests = {turns: rows_digest(Benchmark.of(config(path, turns))) for turns in ("all", "final")}
    shutil.copytree(path, tmp_path / "moved")
    for turns in digests:
        assert rows_digest(Benchmark.of(config(tmp_path / "moved", turns))) == digests[turns]
    Image.fromarray(picture(5)).save(tmp_path / "moved" / "test" / "images" / "242679" / "242679-input.png")
    for turns in digests:
        build(Benchmark.of(config(path, turns)))  # the last build is kept
        assert rows_digest(Benchmark.of(config(tmp_path / "moved", turns))) != digests[turns]


@pytest.mark.parametrize(
    ("sessions", "said"),
    [
        ({"1": [{"input": "../../../x.png", "mask": "m", "output": "o", "instruction": "i"}]}, "leads out of"),
        ({"1": [{"input": "/x.png", "mask": "m", "output": "o", "instruction": "i"}]}, "input '/x.png' leads out of"),
        ({"../1": [{"input": "a", "mask": "m", "output": "o", "instruction": "i"}]}, "session '../1-1' is no file name"),
        ({"1": [{"input": "a", "mask": "m", "output": "o"}]}, "entry 1-1 needs 'instruction', a text"),
        ({"1": {"input": "a"}}, "session 1 is no list of turns"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_the_files_is_one_line(sessions: Any, said: str, tmp_path: Path) -> None:
    path = released(tmp_path)
    (path / "test" / "edit_sessions.json").write_text(json.dumps(sessions))
    with pytest.raises(UserError, match=said) as told:
        build(Benchmark.of(config(path)))
    assert "\n" not in str(told.value)


def test_the_zip_itself_is_to_be_unzipped(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is the zip itself: unzip it"):
        build(Benchmark.of(config(tmp_path / "test.zip")))
