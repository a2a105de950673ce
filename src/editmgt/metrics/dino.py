"""DINO's view of an edit, through transformers' ViT: what is seen, and how the picture is built.

Shapes: B batch, 3 RGB, H W pixels, T tokens (a class token, then patches), D features.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from editmgt.errors import UserError
from editmgt.metrics.features import ImageFeatures, cosine_metric, to_images
from editmgt.metrics.network_weights import configured, from_hub, in_directory
from editmgt.metrics.registry import metric

_FILES = ("config.json", "model.safetensors")
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_STRUCTURE_SIDE, _STRUCTURE_LONGEST = 224, 480  # PIE-Bench: the shorter side, and at most the longer one


class DINO(ImageFeatures):
    """A vision transformer; its features [B,D] are the class token's.

    Settings: ``repository``, on the hub; ``weights``, a directory with ``config.json`` and
    ``model.safetensors`` in its place.
    """

    def __init__(self, network: nn.Module) -> None:
        from torchvision.transforms import v2

        super().__init__(network)
        self._preprocess = v2.Compose(  # MagicBrush, evaluation/image_eval.py
            [
                v2.Resize(256, interpolation=v2.InterpolationMode.BICUBIC),
                v2.CenterCrop(224),
                v2.ToImage(),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize(_MEAN, _STD),
            ]
        )

    @staticmethod
    def find(kind: str, settings: Mapping[str, Any]) -> tuple[Path, ...]:
        """Return the files of the weights; see :mod:`editmgt.metrics.network_weights` for the errors."""
        key = f"metrics.{kind}.weights"
        if settings["weights"] is not None:
            return in_directory(key, configured(key, settings["weights"]), _FILES)
        return from_hub(key, settings["repository"], _FILES)

    @classmethod
    def load(cls, files: Sequence[Path], settings: Mapping[str, Any]) -> "DINO":
        """Return the model; weights that do not fit their config are a ``UserError`` that names the directory."""
        from transformers import ViTModel

        from editmgt.loading import quiet  # late: it imports transformers and diffusers

        directory = files[0].parent
        try:
            with quiet():
                loaded: Any = ViTModel.from_pretrained(
                    directory,
                    add_pooling_layer=False,
                    dtype=torch.float32,  # transformers 5 would take the file's
                    local_files_only=True,
                    use_safetensors=True,
                    output_loading_info=True,
                )
        except Exception as error:  # a broken file makes transformers raise a dozen kinds of error
            first = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise UserError(f"{directory} cannot be read as a ViT: {first}") from error
        network, info = loaded
        # ViT exports may come with a pooling layer, which DINO has not and nothing here reads.
        wrong = [*info["missing_keys"], *(k for k in info["unexpected_keys"] if not k.startswith("pooler."))]
        if wrong:
            raise UserError(
                f"{directory} is not the ViT its config.json says: {', '.join(sorted(wrong)[:10])}."
            )
        return cls(network)

    def _features(self, pixels_B3HW: Tensor) -> Tensor:
        inputs = torch.stack([self._preprocess(image) for image in to_images(pixels_B3HW)])
        return self.network(inputs.to(pixels_B3HW.device)).last_hidden_state[:, 0]

    def key_similarity(self, pixels_B3HW: Tensor) -> Tensor:
        """Return how alike the last layer's keys (all heads as one vector) are to each other [B,T,T].

        As PIE-Bench computes it, oddities included, so that numbers compare: values of 0 to 255 are normalised
        as if they were 0 to 1, and pictures shrink without antialiasing (torchvision 0.13, which it pins).
        """
        from torchvision.transforms.functional import normalize, resize

        self.to(pixels_B3HW.device)
        inputs = resize(pixels_B3HW * 255, [_STRUCTURE_SIDE], max_size=_STRUCTURE_LONGEST, antialias=False)
        found: list[Tensor] = []
        hook = self.network.layers[-1].attention.k_proj.register_forward_hook(
            lambda module, arguments, keys_BTD: found.append(keys_BTD)
        )
        try:
            with torch.no_grad():
                self.network(normalize(inputs, list(_MEAN), list(_STD)), interpolate_pos_encoding=True)
        finally:
            hook.remove()
        keys_BTD = torch.nn.functional.normalize(found[0].float(), dim=2)
        return keys_BTD @ keys_BTD.transpose(1, 2)


@cosine_metric(
    "dino/i",
    description="cosine of the DINO class tokens of edited and target",
    source="MagicBrush, evaluation/image_eval.py",
    reads=("edited", "target"),
    backbone="dino",
)
@cosine_metric(
    "dino/i_source",
    description="cosine of the DINO class tokens of edited and source; doing nothing scores 1",
    source="Emu Edit",
    reads=("edited", "source"),
    backbone="dino",
)
def dino_similarity(edited_B3HW: Tensor, reference_B3HW: Tensor, network: DINO) -> Tensor:
    """Return the cosine [B] in [-1, 1] of two pictures' class tokens (MagicBrush, Emu Edit)."""
    return torch.nn.functional.cosine_similarity(network(edited_B3HW), network(reference_B3HW))


@metric(
    "structure/distance",
    direction="lower",
    low=0,
    high=4,
    description="mean squared difference of the self-similarities of DINO's last keys, edited against source; PIE-Bench "
    "prints 1000 times this in its tables",
    source="Tumanyan et al. 2022; PIE-Bench, evaluation/matrics_calculator.py, its scaling of pictures included",
    reads=("edited", "source"),
    backbone="structure",
    default=False,
)
def structure_distance(edited_B3HW: Tensor, source_B3HW: Tensor, network: DINO) -> Tensor:
    """Return the mean squared difference [B] in [0, 4] of :meth:`DINO.key_similarity` (Tumanyan et al. 2022)."""
    difference_BTT = network.key_similarity(edited_B3HW) - network.key_similarity(source_B3HW)
    return difference_BTT.square().flatten(1).mean(dim=1)
