"""Loading diffusers and transformers models with every key checked: their own loaders only warn."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from diffusers import ModelMixin
from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

from editmgt.errors import UserError, first_line
from editmgt.finite import check_weights
from editmgt.weights import variant_of, weight_files

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


def load_checked(
    model_class: Any,
    directory: Path,
    variant: str = "",
    dtype: torch.dtype = torch.float32,
    unread: str | None = None,
) -> Any:
    """Return ``model_class`` read from ``directory`` (local safetensors only), in eval mode.

    A directory that is missing or unreadable, or weights whose keys or shapes are not the config's, end in a
    ``UserError`` that names the directory and the first ten keys; so do weights that are not finite.

    Args:
        model_class: of diffusers or transformers; an ``AutoModel`` chooses by the config, among their own classes.
        directory: ``config.json`` and weights, whole or in shards.
        variant: files to prefer, see :func:`editmgt.weights.weight_files`.
        dtype: of the weights in memory, whatever they are stored in.
        unread: beginning of the names of weights that may be there for another class to read.
    """
    if not (directory / "config.json").is_file():
        raise UserError(f"{directory} holds no config.json of a {model_class.__name__}.")
    of_diffusers = isinstance(model_class, type) and issubclass(model_class, ModelMixin)
    stem = "diffusion_pytorch_model" if of_diffusers else "model"
    files = weight_files(directory, stem, variant)  # says plainly what is not there
    try:
        with quiet():
            model, info = model_class.from_pretrained(
                directory,
                local_files_only=True,
                use_safetensors=True,
                variant=variant_of(files[0].name) or None,
                output_loading_info=True,
                **({"torch_dtype": dtype} if of_diffusers else {"dtype": dtype, "trust_remote_code": False}),
                **MISMATCHES_LISTED,
            )
    except Exception as error:  # a broken file makes the libraries raise a dozen kinds of error
        raise UserError(
            f"{directory} cannot be read as a {model_class.__name__}: {first_line(error)}"
        ) from error
    wrong = [
        f"{kind} {name}"
        for kind in ("missing", "unexpected", "mismatched")
        for name in sorted(key if isinstance(key, str) else key[0] for key in info[f"{kind}_keys"])
        if not (kind == "unexpected" and unread and name.startswith(unread))
    ]
    if wrong:
        listed = ", ".join(wrong[:10]) + (f" and {len(wrong) - 10} more" if len(wrong) > 10 else "")
        raise UserError(f"{directory} is not the {type(model).__name__} its config.json says: {listed}.")
    check_weights(directory, model.state_dict())
    if of_diffusers:
        model.register_to_config(_name_or_path="")  # a directory of this machine, which saving would tell
    return model.eval()
