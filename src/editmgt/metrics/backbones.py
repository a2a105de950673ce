"""The networks that metrics look through: found, loaded once, and identified by their weights."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from editmgt.finite import check_weights
from editmgt.metrics.clip import CLIP
from editmgt.metrics.dino import DINO
from editmgt.metrics.distribution import Inception
from editmgt.metrics.network_weights import MissingWeights, digest
from editmgt.metrics.perceptual import LPIPSNetwork

KINDS: dict[str, Any] = {
    "clip": CLIP,
    "dino": DINO,
    "structure": DINO,
    "lpips": LPIPSNetwork,
    "inception": Inception,
}

# What conf/metrics/default.yaml says, for those who come without Hydra.
DEFAULTS: dict[str, dict[str, Any]] = {
    "clip": {"model": "ViT-B-32-quickgelu", "tag": "openai", "weights": None},
    "dino": {"repository": "facebook/dino-vits16", "weights": None},
    "structure": {"repository": "facebook/dino-vitb8", "weights": None},
    "lpips": {"net": "alex", "weights": None},
    "inception": {"weights": None},
}


class Backbones:
    """One network of each kind, by the settings of ``metrics.<kind>`` (else :data:`DEFAULTS`); none is read before it is asked for."""

    def __init__(self, settings: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        given = settings or {}
        self.settings = {kind: {**values, **given.get(kind, {})} for kind, values in DEFAULTS.items()}
        self._files: dict[str, tuple[Path, ...] | MissingWeights] = {}
        self._loaded: dict[str, nn.Module] = {}

    def files(self, kind: str) -> tuple[Path, ...]:
        """Return the files of the kind's weights, downloaded where they have to be; they are looked for once.

        ``MissingWeights`` where they cannot be had, another ``UserError`` where a configured path or name does not exist.
        """
        if kind not in self._files:
            try:
                self._files[kind] = KINDS[kind].find(kind, self.settings[kind])
            except MissingWeights as error:
                self._files[kind] = error
        found = self._files[kind]
        if isinstance(found, MissingWeights):
            raise found
        return found

    def get(self, kind: str) -> nn.Module:
        """Return the network, in eval mode; the errors of :meth:`files`, and ``UserError`` for a broken file."""
        if kind not in self._loaded:
            network = KINDS[kind].load(self.files(kind), self.settings[kind])
            check_weights(self.files(kind)[-1], network.state_dict())
            self._loaded[kind] = network
        return self._loaded[kind]

    def identity(self, kind: str) -> dict[str, Any] | None:
        """Return what the kind is and the hash of its weights, wherever they lie; None where they are missing."""
        try:
            weights = digest(self.files(kind))
        except MissingWeights:
            return None
        return {**self.settings[kind], "weights": weights}
