"""Low-rank adapters (Hu et al. 2021) on the transformer's linears, in peft's layers and file format.

``stream`` says which tokens an adapter acts on. ``all``: every token its linear sees, so that it can be merged into
the weight. ``reference``: the tokens of the image to edit alone, as the published code trains it; target and text
share those linears, so merging would change the function and is refused.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from editmgt.errors import UserError, first_line, nearest
from editmgt.files import write_atomic
from editmgt.finite import check_weights
from editmgt.model.blocks import DoubleBlock, Joint, SingleBlock
from editmgt.model.io import check
from editmgt.model.transformer import MGTransformer

_QKV = ("to_q", "to_k", "to_v")
# linears that learn where none are named: all attention projections; as published, those of the image alone
TARGETS = {
    "all": (*_QKV, "add_q_proj", "add_k_proj", "add_v_proj", "to_out.0", "to_add_out"),
    "reference": _QKV,
}

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_PREFIX, _NAME = "base_model.model.", ".default"  # around the names in peft's files, and inside ours


def add(
    transformer: MGTransformer,
    rank: int,
    alpha: float,
    stream: str = "all",
    targets: Sequence[str] | None = None,
) -> None:
    """Put adapters that change nothing yet on ``transformer``; from now on they alone take gradients.

    Args:
        transformer: changed in place.
        rank: of each adapter.
        alpha: an adapter counts ``alpha / rank``.
        stream: ``all`` or ``reference``, see above.
        targets: endings of the names of linears; None: those in ``TARGETS``.

    Raises:
        UserError: for a target that is no linear of the transformer, or that the stream rules out.
    """
    if stream not in TARGETS:
        raise UserError(
            f"model.lora.stream={stream} must be one of {', '.join(TARGETS)}.{nearest(stream, TARGETS)}"
        )
    targets = tuple(targets or TARGETS[stream])
    linears = [name for name, module in transformer.named_modules() if isinstance(module, nn.Linear)]
    for target in targets:
        if not any(f".{name}".endswith(f".{target}") for name in linears):
            known = sorted({name.removesuffix(".0").rsplit(".", 1)[-1] for name in linears})
            raise UserError(
                f"model.lora.targets: '{target}' is no linear of the transformer.{nearest(target, known)}"
            )
    if stream == "reference" and (others := set(targets) - set(_QKV)):
        raise UserError(
            f"model.lora.stream=reference acts on {', '.join(_QKV)} alone, as published, not {', '.join(sorted(others))}."
        )
    config: Any = LoraConfig(r=rank, target_modules=list(targets))
    config.lora_alpha = alpha  # a float, although peft's annotation is narrower
    _inject(transformer, config, stream)


def save_adapters(transformer: MGTransformer, directory: Path | str) -> None:
    """Write the adapters alone, ``adapter_config.json`` and ``adapter_model.safetensors``, as peft does."""
    assert transformer.adapter is not None
    config, stream = transformer.adapter
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    state = {key: value.detach().contiguous().cpu() for key, value in _state(transformer).items()}
    write_atomic(directory / WEIGHTS, save(state, metadata={"format": "pt", "stream": stream}))
    config.save_pretrained(str(directory))


def load_adapters(transformer: MGTransformer, directory: Path | str) -> None:
    """Put the adapters of a directory on ``transformer``; a ``UserError`` where they do not fit it."""
    directory = Path(directory)
    if not (directory / CONFIG).is_file() or not (directory / WEIGHTS).is_file():
        raise UserError(f"{directory} holds no adapter: it needs {CONFIG} and {WEIGHTS}.")
    try:
        config = LoraConfig.from_pretrained(str(directory))
        with safe_open(directory / WEIGHTS, "pt") as file:
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 not a mapping
            stream = (file.metadata() or {}).get("stream", "all")
        if not isinstance(config, LoraConfig) or not config.target_modules:
            raise UserError(f"{directory / CONFIG} is not a LoRA adapter's.")
        _inject(transformer, config, stream)
    except (SafetensorError, ValueError, TypeError, KeyError) as error:
        raise UserError(f"{directory} cannot be read as a LoRA adapter: {first_line(error)}") from None
    own = _state(transformer)
    check(own, state, f"{directory / WEIGHTS} does not fit this transformer")
    check_weights(directory / WEIGHTS, state)
    with torch.no_grad():
        for key, value in own.items():
            value.copy_(state[key])


def merge(transformer: MGTransformer) -> None:
    """Fold adapters into the weights, which computes the same without them and learns again; refused for the reference's own."""
    assert transformer.adapter is not None
    if transformer.adapter[1] == "reference":
        raise UserError(
            "A LoRA of stream=reference cannot be merged: target and text share its linears, so merging would "
            "change the function. Keep the adapter beside the weights."
        )
    for name, layer in list(transformer.named_modules()):
        if isinstance(layer, LoraLayer):
            layer.merge(safe_merge=True)
            parent, _, child = name.rpartition(".")
            setattr(transformer.get_submodule(parent), child, layer.get_base_layer())
    del transformer.adapter
    transformer.requires_grad_(True)  # under adapters the weights were frozen


def _inject(transformer: MGTransformer, config: LoraConfig, stream: str) -> None:
    if transformer.adapter is not None:
        raise UserError("The transformer carries a LoRA already: merge it before adding another.")
    inject_adapter_in_model(config, transformer)
    transformer.adapter = (config, stream)
    for name, parameter in transformer.named_parameters():
        parameter.requires_grad_(".lora_" in name)
    if stream == "reference":
        for block in transformer.modules():
            if isinstance(block, DoubleBlock | SingleBlock):
                _ReferenceRows(block)


def _state(transformer: MGTransformer) -> dict[str, Tensor]:
    """The adapters' weights under the names of peft's files."""
    return {
        _PREFIX + name.replace(_NAME, ""): parameter
        for name, parameter in transformer.named_parameters()
        if ".lora_" in name
    }


class _ReferenceRows:
    """Keeps one block's adapters to the rows of the reference, the last in each of its sequences."""

    def __init__(self, block: DoubleBlock | SingleBlock) -> None:
        self.first = 0
        block.register_forward_pre_hook(self._note_first)
        for layer in block.modules():
            if isinstance(layer, LoraLayer):
                for up in layer.lora_B.values():
                    up.register_forward_hook(self._keep_rows)

    def _note_first(self, block: nn.Module, inputs: tuple[Any, ...]) -> None:
        [joint] = [value for value in inputs if isinstance(value, Joint)]
        self.first = joint.target + (joint.text if isinstance(block, SingleBlock) else 0)

    def _keep_rows(self, _: nn.Module, __: Any, change_BLD: Tensor) -> Tensor:
        before, reference = change_BLD.tensor_split([self.first], dim=1)
        return torch.cat([torch.zeros_like(before), reference], dim=1)
