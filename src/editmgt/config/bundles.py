"""What the files beside weights say of them, without loading any."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from editmgt import assets
from editmgt.errors import UserError, nearest
from editmgt.files import read_object
from editmgt.settings.mistakes import show
from editmgt.weights import TRANSFORMERS, on_hub
from editmgt.weights import local as local_directory

if TYPE_CHECKING:
    from editmgt.config.schema import LocalizationLayers

BUNDLE = (
    "vqvae/config.json",
    "text_encoder/config.json",
    "scheduler/scheduler_config.json",
    "model_index.json",
)


def bundle_problems(key: str, name: str, needed: tuple[str, ...]) -> list[str]:
    """What is plainly wrong with a name of weights, without loading them."""
    directory = local_directory(name)
    if directory is None:
        if on_hub(name):
            return []  # a repository on the hub: only fetching it can tell
        shipped = assets.names()
        return [
            f"{key}={name}: there is no such directory and no such shipped name "
            f"({', '.join(shipped) or 'none is shipped'}).{nearest(name, shipped)}"
        ]
    if (directory / TRANSFORMERS[0]).is_dir():
        needed = tuple(file for file in needed if file != "model_index.json")  # the released editor has none
    if missing := [file for file in needed if not (directory / file).is_file()]:
        return [f"{key}={name} is of another architecture or incomplete: it has no {', '.join(missing)}."]
    return []


def has_transformer(directory: Path) -> bool:
    """Whether weights are more than a codec: a training then starts with their text encoder too."""
    return any((directory / folder).is_dir() for folder in TRANSFORMERS)


def transformer_config(directory: Path) -> dict[str, Any]:
    """Return the transformer's ``config.json``; empty where there is none that can be read."""
    paths = [directory / folder / "config.json" for folder in TRANSFORMERS]
    return next((_json_object(path) for path in paths if path.is_file()), {})


def finished_settings(directory: Path) -> dict[str, Any]:
    """Return the edit settings that an editor was finished with; empty where it does not say."""
    settings = _json_object(directory / "model_index.json").get("edit_settings")
    return settings if isinstance(settings, dict) else {}


def text_encoder_problems(name: str, sizes: dict[str, Any]) -> list[str]:
    """Return a line for every one of ``sizes`` that the text encoder of local weights has otherwise: it stays as it is."""
    directory = local_directory(name)
    if directory is None or not has_transformer(directory):
        return []
    own = _json_object(directory / "text_encoder/config.json")
    return [
        f"model.text_encoder.{size}={show(value)} contradicts init_from={name}, whose text encoder has {show(own[size])}: "
        "set it so, or model.text_encoder=null."
        for size, value in sizes.items()
        if own.get(size, value) != value
    ]


def _json_object(path: Path) -> dict[str, Any]:
    """Empty where there is none that can be read: loading it says what is wrong."""
    try:
        return read_object(path)
    except UserError:
        return {}


def num_blocks(name: str) -> int | None:
    """Blocks of the transformer in a local bundle; None where that cannot be told."""
    directory = local_directory(name)
    return blocks_of(transformer_config(directory) if directory else {})


def blocks_of(sizes: dict[str, Any]) -> int | None:
    """Blocks of a transformer of these sizes; None where they do not say."""
    parts = [sizes.get(name) for name in ("num_layers", "num_single_layers")]
    whole = [part for part in parts if isinstance(part, int)]
    return sum(whole) if len(whole) == len(parts) else None


def subset_problems(study: "LocalizationLayers | None", blocks: int | None) -> list[str]:
    """Return a line for every subset of ``localization_layers`` that names a block beyond ``blocks``."""
    if study is None or blocks is None:
        return []
    return [
        f"localization_layers.subsets: {show(subset)} names a block that does not exist; this model has blocks 0 to "
        f"{blocks - 1}."
        for subset in study.subsets
        if max(subset) >= blocks
    ]
