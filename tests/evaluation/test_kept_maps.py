"""Maps and held tokens beside the pictures: read back as they were, whatever tore the file."""

import base64
from pathlib import Path

import numpy as np
import torch

from editmgt.data.scenes import SceneDataset
from editmgt.editing import Editor
from editmgt.evaluation.evaluate import evaluate
from editmgt.evaluation.kept_maps import keep_map, read_maps
from editmgt.results.run_directory import MAPS


def test_a_map_is_read_back_and_the_last_of_a_sample_counts(tmp_path: Path) -> None:
    held = torch.tensor([[True, False, True], [False, False, True]])
    keep_map(tmp_path, "a", torch.ones(2, 2), held)
    keep_map(tmp_path, "a", torch.tensor([[0.0, 0.5, 1.0]]), held)
    with (tmp_path / MAPS).open("a") as file:
        file.write('\n{"sample_id": "torn", "map": "AA')
    keep_map(tmp_path, "b", torch.zeros(1, 1), ~held)
    found = read_maps(tmp_path)
    assert [*found] == ["a", "b"]
    assert found["a"]["map_shape"] == [1, 3] and found["a"]["held_shape"] == [2, 3]
    assert [*base64.b64decode(found["a"]["map"])] == [0, 128, 255]
    bits = np.unpackbits(np.frombuffer(base64.b64decode(found["a"]["held"]), np.uint8))[:6]
    assert bits.reshape(2, 3).astype(bool).tolist() == held.tolist()
    assert read_maps(tmp_path / "nowhere") == {}


def test_an_evaluation_that_keeps_pictures_keeps_their_maps_anew(tiny_editor: Editor, tmp_path: Path) -> None:
    samples = SceneDataset("test", 0, size=3, resolution=32)
    settings = tiny_editor.settings.override(steps=1)
    evaluate(tiny_editor, samples, settings, tmp_path, metrics=["outside/l1"])
    assert not (tmp_path / MAPS).exists()
    for _ in range(2):
        evaluate(
            tiny_editor, samples, settings, tmp_path, metrics=["outside/l1"],
            picture_path=lambda sample: Path("images", f"{sample.sample_id}.png"),
        )  # fmt: skip
        assert [*read_maps(tmp_path)] == [samples[i].sample_id for i in range(3)]
        assert (tmp_path / MAPS).read_text().count("\n") == 3
