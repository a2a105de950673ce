"""The transformer's shape, under the argument names of the published ``config.json``."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from editmgt.errors import UserError, nearest

CONNECTORS = ("none", "linear", "mlp", "fmlp", "qformer")
REFERENCE_MODES = ("attention", "input", "none")
AESTHETIC_SCORE = 6.0  # that pictures are asked for with, as the published examples do
TEXT_LENGTHS = {"CLIP": 77, "open_clip": 77}  # every other published text encoder gives 256 states


@dataclass(frozen=True)
class MGTConfig:
    """Constructor arguments of :class:`MGTransformer`.

    ``reference_mode`` is this project's own: how the image to edit enters. ``attention``: its tokens join
    every attention layer; ``input``: its embedding is added to the target's through a projection that starts
    at zero; ``none``: it is ignored. ``latent_channels`` is, too: where it is not 0 the trunk reads and predicts vectors of so
    many channels in the place of codes, as a rectified flow does. Nothing reads ``patch_size`` and ``in_channels``, as published.
    """

    patch_size: int = 1
    in_channels: int = 64
    num_layers: int = 19
    num_single_layers: int = 38
    attention_head_dim: int = 128
    num_attention_heads: int = 24
    joint_attention_dim: int = 4096
    pooled_projection_dim: int = 768
    guidance_embeds: bool = False
    axes_dims_rope: tuple[int, int, int] = (16, 56, 56)
    vocab_size: int = 8256
    codebook_size: int = 8192
    downsample: bool = False
    upsample: bool = False
    text_encoder_architecture: str = "CLIP"
    connector_type: str = "none"
    reference_mode: str = "attention"
    latent_channels: int = 0

    @property
    def width(self) -> int:
        """Channels of the trunk."""
        return self.num_attention_heads * self.attention_head_dim

    @property
    def text_length(self) -> int:
        """How many states the text encoder gives (the perceiver's number of latents)."""
        return TEXT_LENGTHS.get(self.text_encoder_architecture, 256)

    def __post_init__(self) -> None:
        if problems := self._problems():
            raise UserError("transformer config: " + "; ".join(problems))

    def _problems(self) -> list[str]:
        found = [
            f"{field.name}={getattr(self, field.name)!r} must be of type {type(field.default).__name__}"
            for field in fields(self)
            if type(getattr(self, field.name)) is not type(field.default)
        ]
        if found:
            return found
        for name in ("num_single_layers", "attention_head_dim", "num_attention_heads", "codebook_size"):
            if getattr(self, name) < 1:
                found.append(f"{name}={getattr(self, name)} must be at least 1")
        for name in ("num_layers", "latent_channels"):
            if getattr(self, name) < 0:
                found.append(f"{name}={getattr(self, name)} must not be negative")
        axes = self.axes_dims_rope
        if (
            [type(axis) for axis in axes] != [int] * 3
            or sum(axes) != self.attention_head_dim
            or any(axis < 2 or axis % 2 for axis in axes)
        ):
            found.append(
                f"axes_dims_rope={list(axes)} must be three even numbers that add up to "
                f"attention_head_dim={self.attention_head_dim}"
            )
        if self.vocab_size <= self.codebook_size:
            found.append(
                f"vocab_size={self.vocab_size} must exceed codebook_size={self.codebook_size}: "
                "its last id is the mask"
            )
        if self.downsample != self.upsample:
            found.append(f"downsample={self.downsample} and upsample={self.upsample} must agree")
        if self.guidance_embeds:
            found.append("guidance_embeds=true is not supported: no published checkpoint uses it")
        for name, choices in (("connector_type", CONNECTORS), ("reference_mode", REFERENCE_MODES)):
            value = getattr(self, name)
            if value not in choices:
                found.append(f"{name}={value!r} is not one of {', '.join(choices)}.{nearest(value, choices)}")
        if self.connector_type == "none" and self.joint_attention_dim != self.width:
            found.append(
                f"joint_attention_dim={self.joint_attention_dim} needs a connector_type other than 'none' "
                f"to reach the trunk's width {self.width}"
            )
        if self.connector_type == "qformer" and self.width % 8:
            found.append(
                f"connector_type='qformer' has 8 heads, which do not divide the trunk's width {self.width}"
            )
        return found

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "MGTConfig":
        """Build from a mapping; diffusers' private keys (``_class_name`` ...) are skipped.

        UserError names every unknown key and every value out of range.
        """
        known = [field.name for field in fields(cls)]
        values = {key: value for key, value in values.items() if not key.startswith("_")}
        unknown = [f"{key!r} is unknown.{nearest(key, known)}" for key in values if key not in known]
        if unknown:
            raise UserError("transformer config: " + "; ".join(unknown))
        if values.get("connector_type", "none") is None:
            values["connector_type"] = "none"
        if isinstance(axes := values.get("axes_dims_rope"), Sequence):
            values["axes_dims_rope"] = tuple(axes)
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Return the published ``config.json``, with this project's own entries only where they are not the published way."""
        values = {
            "_class_name": "Transformer2DModel",
            **asdict(self),
            "axes_dims_rope": list(self.axes_dims_rope),
        }
        return {
            name: value
            for name, value in values.items()
            if (name, value) not in (("reference_mode", "attention"), ("latent_channels", 0))
        }
