"""Small real parquet files in the published schemas, written without the reading code's help."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from editmgt.config.schema import Dataset, Edits
from editmgt.data.rows import EditRows

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
TYPES = ["add", "remove", "replace", "color", "style", "background change", "motion change"]


def picture(seed: int, size: tuple[int, int] = (48, 40)) -> Image.Image:
    """A picture of its own, smooth enough that resampling keeps it recognisable."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def encoded(image: Image.Image, picture_format: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, picture_format, **options)
    return buffer.getvalue()


def cells(images: list[Image.Image | bytes | None]) -> pa.Array:
    contents = [image if isinstance(image, bytes | None) else encoded(image) for image in images]
    return pa.array([None if c is None else {"bytes": c, "path": None} for c in contents], IMAGE)


def texts(values: list[str | bytes | None]) -> pa.Array:
    """A string column that may hold what is not UTF-8."""
    raw = pa.array([v.encode() if isinstance(v, str) else v for v in values], pa.binary())
    return pa.Array.from_buffers(pa.string(), len(raw), raw.buffers())


def white_square(size: tuple[int, int] = (48, 40)) -> Image.Image:
    mask = Image.new("RGB", size)
    mask.paste("white", (8, 8, 24, 24))
    return mask


def cut_out(source: Image.Image) -> Image.Image:
    """A source as MagicBrush publishes its mask: where :func:`white_square` is white it is transparent."""
    alpha = Image.new("L", source.size, 255)
    alpha.paste(0, (8, 8, 24, 24))
    source = source.copy()
    source.putalpha(alpha)
    return source


def schemas(count: int = 3, first: int = 0) -> dict[str, pa.Table]:
    """A table of each public dataset, ``count`` rows; columns as published, also those that are not read."""
    rows = range(first, first + count)
    sources, targets = [picture(2 * i) for i in rows], [picture(2 * i + 1) for i in rows]
    said: list[str | bytes | None] = [f"make the red circle number {i} blue" for i in rows]
    masks: list[Image.Image | bytes | None] = [white_square() for _ in rows]
    ids, captions = pa.array([str(i) for i in rows]), pa.array([f"picture {i}" for i in rows])
    types = pa.array([TYPES[i % 7] for i in rows])
    source, target, sentence = cells([*sources]), cells([*targets]), texts(said)
    return {
        "crispedit": pa.table(
            {"instruction": sentence, "input_img": source, "output_img": target, "type": types}
        ),
        "instructpix2pix": pa.table(
            {
                "original_prompt": captions,
                "original_image": source,
                "edit_prompt": sentence,
                "edited_prompt": captions,
                "edited_image": target,
            }
        ),
        "magicbrush": pa.table(
            {
                "img_id": ids,
                "turn_index": pa.array([1] * count, pa.int32()),
                "source_img": source,
                "mask_img": cells([cut_out(picture(2 * i)) for i in rows]),
                "instruction": sentence,
                "target_img": target,
            }
        ),
        "ultraedit": pa.table(
            {
                "source_image": source,
                "edited_image": target,
                "edit_prompt": sentence,
                "source_caption": [f"picture {2 * i}" for i in rows],
                "target_caption": [f"picture {2 * i + 1}" for i in rows],
                "mask_image": cells(masks),  # there in the region-based release alone
            }
        ),
        "anyedit": pa.table(
            {"image_file": source, "edited_file": target, "edit_instruction": sentence, "edit_type": types}
        ),
    }


def write(table: pa.Table, path: Path, row_group_size: int = 2) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=row_group_size)
    return path


def crispedit(
    sources: list[Image.Image | bytes | None],
    targets: list[Image.Image | bytes | None],
    said: list[str | bytes | None],
) -> pa.Table:
    return pa.table(
        {
            "instruction": texts(said),
            "input_img": cells(sources),
            "output_img": cells(targets),
            "type": pa.array(["add"] * len(said)),
        }
    )


COLUMNS = {
    "source": "input_img",
    "target": "output_img",
    "instruction": "instruction",
    "caption": None,
    "mask": None,
    "edit_type": "type",
}


def spec(path: Path | str, **changes: Any) -> dict[str, Any]:
    """A dataset of ``data.datasets``."""
    return {
        "path": str(path),
        "split": "train",
        "config": None,
        "revision": None,
        "ratio": 1,
        "columns": COLUMNS,
    } | changes


def dataset(path: Path | str, **changes: Any) -> Dataset:
    """What :func:`spec` describes, validated."""
    return Dataset.model_validate(spec(path, **changes))


def data_config(datasets: dict[str, dict[str, Any]], hf_cache: Path, **changes: Any) -> dict[str, Any]:
    """A data configuration as conf/data composes it."""
    return {
        "name": "test",
        "datasets": datasets,
        "streaming": False,
        "resolution": 32,
        "aspect_buckets": None,
        "crops": 1,
        "flip": False,
        "min_side": 8,
        "max_aspect_change": 0.1,
        "max_pixels": 10_000,
        "max_bad_share": 0.05,
        "train_size": None,
        "dev_size": 2,
        "batch_size": 4,
        "num_workers": 0,
        "seed": 0,
        "token_cache": None,
        "cache_dir": str(hf_cache),
    } | changes


def edit_rows(
    name: str, described: dict[str, Any], cache: Path, kind: str = "editor", **changes: Any
) -> EditRows:
    """A dataset that :func:`spec` describes, opened."""
    return EditRows(name, Edits.model_validate(data_config({name: described}, cache, **changes)), kind)
