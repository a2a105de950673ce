"""Edits that are made once: what counts as the same edit, and a store that answers as the editor would."""

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file

from editmgt.benchmarks.protocols.scenes import rows as scenes
from editmgt.editing import Editor, EditResult, EditSettings
from editmgt.editing.hold_rules import RULES, needs
from editmgt.errors import UserError
from editmgt.evaluation.evaluate import evaluate
from editmgt.lock import locked
from editmgt.stores.identity import edits_directory
from editmgt.stores.stored_edits import StoredEdits, edits_fingerprint, layers_read, opened
from editmgt.sweeps.compose import compose_all

HOLD = EditSettings(region_hold=True, hold_threshold=0.4, layers=(1, 2), single_layer=3)
CONF = Path(__file__).parents[2] / "conf"
FREE = HOLD.override(region_hold=False)
IDS, WORDS = ["a", "b", "c"], ["make it blue", "remove the star", "add a dot"]
ASKER = {"cell": "one", "sweep": "s"}


@pytest.mark.parametrize(
    ("settings", "change", "same"),
    [
        (FREE, {"consolidation": False}, True),
        (FREE, {"hold_threshold": 0.9}, True),
        (FREE, {"layers": [0]}, True),
        (FREE, {"steps": 3}, False),
        (HOLD, {"consolidation": False}, False),
        (HOLD, {"hold_threshold": 0.9}, False),
        (HOLD, {"single_layer": 0}, True),  # averaged: the single layer is not read
        (HOLD, {"average": True, "smoothing": "adaptive"}, True),  # what consolidation is
        (HOLD, {"consolidation": False, "average": True, "smoothing": "adaptive"}, True),
        (HOLD, {"smoothing": "none"}, False),
        (HOLD, {"region_hold": False}, False),
        (FREE.override(guidance_scale=1.0), {"negative_prompt": "ugly", "guidance_scale": 0.5}, True),
        (FREE.override(guidance_scale=2.0), {"guidance_scale": 3.0}, False),
        (FREE, {"map_source": "posterior"}, True),
        (FREE, {"map_source": "guidance", "hold_when": "first_pass", "hold_rule": "otsu"}, True),
        (HOLD, {"map_source": "posterior"}, False),
        (HOLD, {"hold_when": "first_pass"}, False),
        (HOLD, {"hold_rule": "otsu"}, False),
        (HOLD, {"hold_quantile": 0.3}, True),  # of another rule
        (HOLD.override(hold_rule="quantile"), {"hold_quantile": 0.3}, False),
        (HOLD.override(hold_rule="quantile"), {"hold_threshold": 0.0}, True),
        (HOLD.override(map_source="posterior"), {"consolidation": False, "layers": (0,)}, True),
        (HOLD.override(map_source="posterior"), {"smoothing": "gaussian", "average": False}, True),
    ],
)
def test_settings_that_something_else_turned_off_do_not_count(
    settings: EditSettings, change: dict[str, Any], same: bool
) -> None:
    assert (settings.of_pictures == settings.override(**change).of_pictures) is same


def test_holding_nothing_is_not_holding() -> None:
    assert HOLD.override(hold_threshold=0.0).of_pictures == FREE.of_pictures
    assert HOLD.override(hold_rule="quantile", hold_quantile=0.0).of_pictures == FREE.of_pictures


@pytest.mark.parametrize("rule", [rule for rule in RULES if "hold_threshold" not in needs(rule)])
def test_a_rule_without_a_threshold_holds_whatever_the_threshold(rule: str) -> None:
    """It must not be given the pictures that were made with hold off."""
    without = HOLD.override(hold_rule=rule, hold_threshold=0.0, map_source="posterior")
    assert without.of_pictures != FREE.of_pictures
    assert without.of_pictures == without.override(hold_threshold=0.9).of_pictures


def test_weights_seed_device_and_precision_count() -> None:
    base = ("w", FREE, 0, "cpu", "float32")
    others = [
        (*base[:place], other, *base[place + 1 :])
        for place, other in ((0, "v"), (2, 1), (3, "cuda"), (4, "bfloat16"))
    ]
    assert len({edits_fingerprint(*parts) for parts in (base, *others)}) == 5


def test_editors_in_two_precisions_share_no_edits() -> None:
    """Their codes differ: the second would be judged by the first's pictures."""
    [cell] = compose_all(CONF, "evaluate", ["checkpoint=tiny_editor"], multirun=False).cells
    directories = {
        edits_directory(
            "tiny_editor",
            Editor.from_pretrained("tiny_editor", dtype=dtype),
            FREE,
            cell.config,
            Path("owner"),
        )
        for dtype in (torch.float32, torch.bfloat16)
    }
    assert len(directories) == 2


def pictures() -> list[Image.Image]:
    return [
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (32, 32, 3), np.uint8)) for i in range(3)
    ]


def edit(editor: Editor | StoredEdits, settings: EditSettings, chosen: slice = slice(None)) -> EditResult:
    options = settings.to_dict() | {"steps": 2, "resolution": 32}
    return editor.edit(pictures()[chosen], WORDS[chosen], sample_ids=IDS[chosen], seed=5, **options)


def store(editor: Editor, directory: Path, layers: tuple[int, ...] = (1, 2, 3)) -> StoredEdits:
    return StoredEdits(editor, directory, layers, print)


def count_edits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    made: list[int] = []
    real = Editor.edit

    def counting(self: Editor, images: Any, *arguments: Any, **options: Any) -> EditResult:
        made.append(len(images))
        return real(self, images, *arguments, **options)

    monkeypatch.setattr(Editor, "edit", counting)
    return made


def test_edits_of_different_numbers_of_steps_are_recalled_together(
    tiny_editor: Editor, tmp_path: Path
) -> None:
    early = {
        "hold_when": "first_pass",
        "map_source": "posterior",
        "hold_rule": "quantile",
        "matched_steps": True,
    }
    settings = HOLD.override(**early, steps=8)

    def ask(stored: StoredEdits, rows: list[int]) -> EditResult:
        shares = {"hold_quantile": 0.9} if rows == [0] else {}  # a short edit
        return stored.edit(
            [pictures()[row] for row in rows],
            [WORDS[row] for row in rows],
            sample_ids=[IDS[row] for row in rows],
            **settings.to_dict() | shares | {"resolution": 32},
        )

    short, long = (ask(store(tiny_editor, tmp_path), rows) for rows in ([0], [1, 2]))
    together = ask(store(tiny_editor, tmp_path), [0, 1, 2])
    assert torch.equal(together.tokens, torch.cat([short.tokens, long.tokens]))
    assert torch.equal(together.localization, torch.cat([short.localization, long.localization]))


def test_a_store_answers_every_cell_as_the_editor_would(
    tiny_editor: Editor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings = [
        FREE.override(map_source="posterior"),
        FREE,
        FREE.override(consolidation=False),
        FREE.override(layers=[3, 1], smoothing="gaussian"),
        FREE.override(map_source="guidance", hold_rule="otsu", hold_when="first_pass"),
    ]
    expected = [edit(tiny_editor, settings) for settings in readings]
    made = count_edits(monkeypatch)
    for settings, wanted in zip(readings, expected, strict=True):
        found = edit(store(tiny_editor, tmp_path), settings)
        for name in ("tokens", "held"):
            assert torch.equal(getattr(found, name), getattr(wanted, name))
        torch.testing.assert_close(found.localization, wanted.localization, rtol=0, atol=1e-5)
        assert [a.tobytes() for a in found.images] == [b.tobytes() for b in wanted.images]
        assert found.seconds > 0
    assert made == [3]
    edit(store(tiny_editor, tmp_path, (0, 1)), FREE.override(layers=[0]))  # a layer that was not kept
    assert made == [3, 3]


@pytest.mark.parametrize("when", ["every_step", "first_pass"])
def test_the_map_that_held_is_a_part_of_the_edit(
    tiny_editor: Editor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    for source in ("attention", "posterior"):
        settings = HOLD.override(map_source=source, hold_rule="otsu", hold_when=when)
        expected = edit(tiny_editor, settings)
        made = count_edits(monkeypatch)
        directory, layers = tmp_path / source, tuple(layers_read(settings, (0,)))
        directory.mkdir()
        assert (layers == ()) == (source == "posterior")  # a map that needs no attention asks for none
        for _ in range(2):
            found = edit(store(tiny_editor, directory, layers), settings)
            for name in ("tokens", "held", "localization"):
                assert torch.equal(getattr(found, name), getattr(expected, name)), name
        assert made == [3]


def test_edits_that_an_older_version_kept_are_made_again(
    tiny_editor: Editor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = count_edits(monkeypatch)
    edit(store(tiny_editor, tmp_path), FREE)
    [path] = tmp_path.glob("*.safetensors")
    with safe_open(path, framework="pt") as file:
        kept = {
            name: file.get_tensor(name) for name in ("images", "tokens", "held", "changed", "maps", "seconds")
        }
        notes = {name: text for name, text in file.metadata().items() if name != "sources"}
    save_file(kept, path, notes)
    edit(store(tiny_editor, tmp_path), FREE.override(map_source="posterior"))
    assert made == [3, 3]
    assert "was made before maps other than attention's were kept" in capsys.readouterr().out
    edit(store(tiny_editor, tmp_path), FREE)
    assert made == [3, 3] and not capsys.readouterr().out


@pytest.mark.parametrize("settings", [FREE, HOLD, FREE.override(map_source="posterior")])
def test_a_fresh_edit_is_what_is_read_back_bit_for_bit(
    tiny_editor: Editor, tmp_path: Path, settings: EditSettings
) -> None:
    fresh, again = (edit(store(tiny_editor, tmp_path), settings) for _ in range(2))
    assert [a.tobytes() for a in fresh.images] == [b.tobytes() for b in again.images]
    for name in ("tokens", "localization", "held", "changed", "layer_maps"):
        assert torch.equal(getattr(fresh, name), getattr(again, name)), name
    assert fresh.seconds == again.seconds


def test_seconds_are_told_of_edits_made_as_many_at_once(tiny_editor: Editor, tmp_path: Path) -> None:
    made = edit(store(tiny_editor, tmp_path), FREE)
    assert made.seconds == edit(store(tiny_editor, tmp_path), FREE).seconds > 0
    assert math.isnan(edit(store(tiny_editor, tmp_path), FREE, slice(1)).seconds)
    (batched := tmp_path / "batched").mkdir()
    small = FREE.override(steps=2, resolution=32)
    run = evaluate(tiny_editor, scenes(size=2, resolution=32), small, tmp_path / "run", batch_size=1, seed=5,
                   metrics=["speed/edit_seconds"], edits=store(tiny_editor, batched))  # fmt: skip
    assert run["speed/edit_seconds"] > 0 and "speed/edit_seconds/undefined" not in run
    run = evaluate(tiny_editor, scenes(size=2, resolution=32), small, tmp_path / "again", batch_size=2, seed=5,
                   metrics=["speed/edit_seconds"], edits=store(tiny_editor, batched))  # fmt: skip
    assert "speed/edit_seconds" not in run and run["speed/edit_seconds/undefined"] == run["n"] == 2


def test_a_round_trip_is_taken_once_and_again_where_it_is_broken(
    tiny_editor: Editor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = [image.tobytes() for image in tiny_editor.round_trip(pictures(), 32)]
    taken: list[int] = []
    real = Editor.round_trip

    def counting(self: Editor, images: Any, resolution: int) -> list[Image.Image]:
        taken.append(len(images))
        return real(self, images, resolution)

    monkeypatch.setattr(Editor, "round_trip", counting)
    for _ in range(2):
        found = store(tiny_editor, tmp_path).round_trip(pictures(), 32)
        assert [image.tobytes() for image in found] == wanted and taken == [3]
    store(tiny_editor, tmp_path).round_trip(pictures()[:2], 32)
    assert taken == [3, 2]
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[:-7])
    found = store(tiny_editor, tmp_path).round_trip(pictures(), 32)
    assert [image.tobytes() for image in found] == wanted and taken == [3, 2, 3]


def test_edits_that_are_not_kept_are_refused(tiny_editor: Editor, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no edit setting 'mask'"):
        store(tiny_editor, tmp_path).edit(pictures(), WORDS, sample_ids=IDS, mask=[None] * 3)


def test_a_store_edits_with_its_editor_whatever_that_was_made_with(tiny_bundle: Path, tmp_path: Path) -> None:
    editor = Editor.from_pretrained(tiny_bundle, text_encoder_afterwards="drop")
    edit(store(editor, tmp_path), FREE)
    assert editor.text_encoder.model.device.type == "meta"  # the reader in use did what it was asked to


def test_what_is_there_is_used_and_what_is_corrupt_is_made_again(
    tiny_editor: Editor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = count_edits(monkeypatch)
    edit(store(tiny_editor, tmp_path), FREE, slice(1))
    whole = edit(store(tiny_editor, tmp_path), FREE)
    assert made == [1, 2]
    [victim, _] = sorted(tmp_path.glob("*.safetensors"))
    victim.write_bytes(victim.read_bytes()[:-7])
    again = edit(store(tiny_editor, tmp_path), FREE)
    assert sum(made) in (4, 5) and "corrupt: moved aside" in capsys.readouterr().out
    assert torch.equal(again.tokens, whole.tokens)
    changed = [Image.new("RGB", (32, 32))]  # the same name, another picture
    options = FREE.to_dict() | {"steps": 2, "resolution": 32}
    store(tiny_editor, tmp_path).edit(changed, WORDS[:1], sample_ids=IDS[:1], seed=5, **options)
    assert made[-1] == 1


def test_who_made_them_and_how_far_they_are_is_told(tiny_editor: Editor, tmp_path: Path) -> None:
    said: list[str] = []

    def use(cell: str, sweep: str, fail: bool = False) -> None:
        with opened(tiny_editor, tmp_path / "e", {1}, {"cell": cell, "sweep": sweep}, said.append) as stored:
            edit(stored, FREE.override(layers=[1], single_layer=1), slice(1))
            if fail:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        use("one", "s", fail=True)
    use("one", "s")
    use("two", "s")
    use("one", "t")
    assert said == ["continuing edits e, 1 are there", "edits shared with cell one", "reused edits e"]


def test_a_lock_goes_with_its_killed_holder(tmp_path: Path) -> None:
    script = f"""
import time
from pathlib import Path
from editmgt.lock import locked
with locked(Path({str(tmp_path / "x")!r}), print):
    print("held", flush=True)
    time.sleep(600)
"""
    holder = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
    waited: list[bool] = []

    def kill() -> None:
        waited.append(True)
        holder.kill()

    with locked(tmp_path / "x", kill):
        assert waited == [True]
    holder.wait()
    holder.stdout.close()
