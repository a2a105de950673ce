"""The miniature weights that ship with the package: ``tiny_base``, ``tiny_editor``, ``tiny_editor_input``."""

from pathlib import Path


def path(name: str) -> Path:
    """Directory of a shipped bundle (it may not exist: the caller checks)."""
    return Path(__file__).parent / name


def names() -> list[str]:
    """Names of the bundles that are present."""
    return sorted(p.parent.name for p in Path(__file__).parent.glob("*/model_index.json"))
