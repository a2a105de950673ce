"""Miniatures of the published data sets, in their columns and types."""

import io
import json
from pathlib import Path
from typing import Any

import datasets
import numpy as np
from PIL import Image

PICTURE = datasets.Image()
TEXT = datasets.Value("string")
COMMON = {"size": None, "batch_size": 4, "seed": 0}


def png(width: int = 32, height: int = 32, seed: int = 0) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def cell(*arguments: int) -> dict[str, Any]:
    return {"bytes": png(*arguments), "path": None}


def mask_cell(width: int = 32, height: int = 32) -> dict[str, Any]:
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2] = 255
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return {"bytes": buffer.getvalue(), "path": None}


def cut_out(seed: int, width: int = 32, height: int = 32) -> dict[str, Any]:
    """A picture with a transparent hole in its upper half, as MagicBrush publishes what a turn may change."""
    pixels = np.array(Image.open(io.BytesIO(png(width, height, seed))).convert("RGBA"))
    pixels[: height // 2, :, 3] = 0
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return {"bytes": buffer.getvalue(), "path": None}


def parquet(path: Path, rows: list[dict[str, Any]], features: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    datasets.Dataset.from_list(rows, datasets.Features(features)).to_parquet(path)
    return path


def magicbrush(path: Path, **first: Any) -> dict[str, Any]:
    """``first``: what the first turn has in other columns than the others."""

    def turn(image: str, index: int, **changes: Any) -> dict[str, Any]:
        return {
            "img_id": image, "turn_index": index, "source_img": cell(32, 32, index),
            "mask_img": cut_out(index), "instruction": f"turn {index} of {image}", "target_img": cell(32, 32, index + 1),
        } | changes  # fmt: skip

    rows = [
        turn("242679", 1, **first),
        turn("242679", 2, target_img=cell(40, 24, 9), mask_img=cut_out(2)),  # unequal sizes
        turn("139", 1, mask_img=None),
        turn("7", 1, source_img={"bytes": b"not a picture", "path": None}),
    ]
    features = {
        "img_id": TEXT, "turn_index": datasets.Value("int32"), "source_img": PICTURE, "mask_img": PICTURE,
        "instruction": TEXT, "target_img": PICTURE,
    }  # fmt: skip
    parquet(path / "data" / "dev-00000-of-00001.parquet", rows, features)
    return {"name": "magicbrush", "path": str(path), "split": "dev", "turns": "all", **COMMON}


def emu_edit(path: Path) -> dict[str, Any]:
    rows = [
        {
            "instruction": f"edit {i}", "image": cell(32, 24, i), "task": "local", "split": "test", "idx": i,
            "hash": "x", "input_caption": "a", "output_caption": None if i else "b",
        }
        for i in range(2)
    ]  # fmt: skip
    features = {
        "instruction": TEXT, "image": PICTURE, "task": TEXT, "split": TEXT, "idx": datasets.Value("int64"),
        "hash": TEXT, "input_caption": TEXT, "output_caption": TEXT,
    }  # fmt: skip
    return {
        "name": "emu_edit", "path": str(parquet(path / "x.parquet", rows, features)), "split": "test", **COMMON,
    }  # fmt: skip


def anybench(path: Path) -> dict[str, Any]:
    rows = [
        {
            "image_file": cell(32, 32, i), "edited_file": cell(32, 32, i + 5), "edit_instruction": f"do {i}",
            "edit_type": ("add", "remove")[i], "input": "a dog", "output": "a cat",
        }
        for i in range(2)
    ]  # fmt: skip
    features = {
        "image_file": PICTURE, "edited_file": PICTURE, "edit_instruction": TEXT, "edit_type": TEXT, "input": TEXT,
        "output": TEXT,
    }  # fmt: skip
    file = parquet(path / "x.parquet", rows, features)
    return {"name": "anybench", "path": str(file), "split": "train", **COMMON}


def pie_bench(path: Path) -> dict[str, Any]:
    folder = path / "annotation_images" / "0_random_140"
    folder.mkdir(parents=True)
    entries = {}
    for i in range(2):
        (folder / f"00{i}.jpg").write_bytes(png(32, 32, i))
        entries[f"00{i}"] = {
            "image_path": f"0_random_140/00{i}.jpg", "original_prompt": "a [round] cake", "editing_prompt":
            "a [square] cake", "editing_instruction": "make it square", "editing_type_id": str(i),
            "blended_word": "cake cake", "mask": [0, 64, 320, 40] if i else [],
        }  # fmt: skip
    (path / "mapping_file.json").write_text(json.dumps(entries))
    return {"name": "pie_bench", "path": str(path), "split": "train", **COMMON}


def gedit(path: Path) -> dict[str, Any]:
    rows = [
        {
            "task_type": "color_alter", "key": f"k{i}", "instruction": f"recolor {i}", "instruction_language": lang,
            "input_image": cell(32, 24, i), "input_image_raw": cell(48, 36, i), "Intersection_exist": True,
        }
        for i, lang in enumerate(("en", "cn", "en"))
    ]  # fmt: skip
    features = {
        "task_type": TEXT, "key": TEXT, "instruction": TEXT, "instruction_language": TEXT, "input_image": PICTURE,
        "input_image_raw": PICTURE, "Intersection_exist": datasets.Value("bool"),
    }  # fmt: skip
    parquet(path / "data" / "train-00000-of-00001.parquet", rows, features)
    return {"name": "gedit", "path": str(path), "split": "train", "language": "en", **COMMON}


def imgedit(path: Path) -> dict[str, Any]:
    (path / "singleturn" / "animal").mkdir(parents=True)
    (path / "singleturn" / "animal" / "1.jpg").write_bytes(png())
    entries = {
        "1082": {"id": "animal/1.jpg", "prompt": "make it red", "edit_type": "color"},
        "3": {"id": "animal/gone.jpg", "prompt": "make it blue", "edit_type": "color"},
    }
    (path / "basic_edit.json").write_text(json.dumps(entries))
    return {"name": "imgedit", "path": str(path), **COMMON}


def folder(path: Path) -> dict[str, Any]:
    for name in ("source", "target", "masks"):
        (path / name).mkdir(parents=True)
    for stem in ("a", "b"):
        (path / "source" / f"{stem}.jpg").write_bytes(png(32, 24))
        (path / "target" / f"{stem}.png").write_bytes(png(32, 24, 1))
    (path / "masks" / "b.png").write_bytes(mask_cell(32, 24)["bytes"])
    lines = [{"file": "a.jpg", "instruction": "one"}, {"file": "b", "instruction": "two", "type": "color"}]
    (path / "instructions.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    return {"name": "folder", "path": str(path), **COMMON}


def gedit_v2(path: Path) -> dict[str, Any]:
    rows = [
        {"key": f"subject_add_{i:06}", "instruction": f"add {i}", "source_image": cell(24 + 8 * i, 32, i)}
        for i in range(2)
    ]
    features = {"key": TEXT, "instruction": TEXT, "source_image": PICTURE}
    parquet(path / "data" / "train-00000-of-00001.parquet", rows, features)
    return {"name": "gedit_v2", "path": str(path), "split": "train", **COMMON}


def gide(path: Path) -> dict[str, Any]:
    """Its five kinds of rows: by points, by a box, by words; without its picture; with a region that leaves it."""
    (path / "img").mkdir(parents=True)
    named = (
        "Remove the object located at the four-point region defined by the coordinates [[30, 2], [1, 1], [1, 12], "
        "[30, 14]] on the wall, and add a hat.",
        "Replace the object inside the bounding box [4, 0, 10, 6] (formatted as [x, y, width, height], where (x, y) is "
        "the top-left corner) with a cup, and add a hat.",
        "Replace the moon with a sun, and add a hat.",
        "Replace the moon with a star, and add a hat.",
        "Remove the object inside the bounding box [4, 0, 100, 6] (formatted as [x, y, width, height], where (x, y) is "
        "the top-left corner), and add a hat.",
    )  # fmt: skip
    for i in (0, 1, 2, 4):
        Image.open(io.BytesIO(png(56, 16, i))).save(path / "img" / f"{i}.jpg")
    entries = {
        str(i): {
            "img_path": f"img/{i}.jpg", "edit_instructions": text, "edit_type": text.split()[0].lower() + "_add",
            "evaluation": f"1. The first of {i}. 2. Add a hat.",
        }
        for i, text in enumerate(named)
    }  # fmt: skip
    (path / "edit_instructions.json").write_text(json.dumps(entries))
    captions = {"0": {"source_prompt": "a clock", "target_prompt1": "a wall", "target_prompt2": "a hat"}}
    (path / "input_all.json").write_text(json.dumps(captions))
    return {"name": "gide", "path": str(path), **COMMON}


def dlebench(path: Path) -> dict[str, Any]:
    rows = []
    for i in range(2):
        for folder in ("Source_Images", "Reference_Images"):
            (path / folder).mkdir(parents=True, exist_ok=True)
            (path / folder / f"{i // 2}.png").write_bytes(png(40, 24, i + len(folder)))
        rows.append({"image": "0.png", "reference_image": "0.png", "edit_operation": f"edit {i}",
                     "prompt_clean": "a street", "kind": "color"})  # fmt: skip
    (path / "data.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    return {"name": "dlebench", "path": str(path), "type_field": None, **COMMON}
