"""Loading diffusers and transformers models with every key checked: their own loaders only warn."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

from editmgt.errors import UserError

# With these the libraries list wrong shapes in their loading info instead of raising without a key.
MISMATCHES_LISTED = {"ignore_mismatched_sizes": True, "low_cpu_mem_usage": False}


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the two libraries' progress bars and warnings off the terminal; ours say what matters."""
    libraries = (diffusers_logging, transformers_logging)
    levels = [library.get_verbosity() for library in libraries]
    bars = transformers_logging.is_progress_bar_enabled()
    for library in libraries:
        library.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        for library, level in zip(libraries, levels, strict=True):
            library.set_verbosity(level)
        if bars:
            transformers_logging.enable_progress_bar()


def load_checked(model_class: Any, directory: Path) -> Any:
    """Return ``model_class`` read from ``directory`` (local files only), in eval mode.

    A directory that is missing or unreadable, or weights whose keys or shapes are not the config's, end in a
    ``UserError`` that names the directory and the first ten keys.
    """
    if not (directory / "config.json").is_file():
        raise UserError(f"{directory} holds no config.json of a {model_class.__name__}.")
    try:
        with quiet():
            model, info = model_class.from_pretrained(
                directory, local_files_only=True, output_loading_info=True, **MISMATCHES_LISTED
            )
    except Exception as error:  # a broken file makes the libraries raise a dozen kinds of error
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise UserError(f"{directory} cannot be read as a {model_class.__name__}: {first}") from error
    wrong = [
        f"{kind} {key if isinstance(key, str) else key[0]}"
        for kind in ("missing", "unexpected", "mismatched")
        for key in sorted(info[f"{kind}_keys"])
    ]
    if wrong:
        listed = ", ".join(wrong[:10]) + (f" and {len(wrong) - 10} more" if len(wrong) > 10 else "")
        raise UserError(f"{directory} is not the {model_class.__name__} its config.json says: {listed}.")
    return model.eval()
