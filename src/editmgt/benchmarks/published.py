"""Numbers that others published for the protocols, to stand beside measured ones and never among them.

Under our names of what the protocol measures: against the target, CLIP_im or CLIP-I is ``clip/i`` and DINO ``dino/i``;
against the source (Emu Edit) ``clip/i_source`` and ``dino/i_source``; CLIP_out and CLIP-T are ``clip/t``.
"""

from dataclasses import dataclass

LABEL = "published, not measured here"


@dataclass(frozen=True)
class Published:
    """One method's numbers on one protocol.

    Attributes:
        method: as its authors call it.
        values: our metric names -> values.
        source: where they were read.
    """

    method: str
    values: dict[str, float]
    source: str


_EDITMGT = "EditMGT, arXiv 2512.11715"
_QUOTED = f"{_EDITMGT}, which quotes them"

PUBLISHED: dict[str, tuple[Published, ...]] = {
    "magicbrush": (
        Published("EditMGT 960M", {"clip/i": 0.911, "whole/l1": 0.058, "dino/i": 0.881}, _EDITMGT),
        Published("AnyEdit", {"clip/i": 0.898, "whole/l1": 0.051, "dino/i": 0.881}, _QUOTED),
        Published("VAREdit-8B", {"clip/i": 0.901, "whole/l1": 0.083, "dino/i": 0.844}, _QUOTED),
        Published(
            "MagicBrush's own checkpoint, all turns",
            {"whole/l1": 0.0656, "clip/i": 0.9253, "dino/i": 0.8895, "clip/t": 0.2722},
            "OSU-NLP-Group/MagicBrush",
        ),
    ),
    "emu_edit": (
        Published(
            "EditMGT 960M", {"clip/i_source": 0.878, "clip/t": 0.308, "dino/i_source": 0.832}, _EDITMGT
        ),
        Published("OmniGen2", {"clip/i_source": 0.876, "dino/i_source": 0.822}, _QUOTED),
    ),
    "gedit": (Published("EditMGT 960M, English", {"judge/overall": 5.87}, _EDITMGT),),
}


def notes(benchmark: str) -> list[str]:
    """Return a line for each method with published numbers on ``benchmark``."""
    return [
        f"{LABEL} ({entry.source}): {entry.method} on {benchmark}: "
        + ", ".join(f"{name} {value:g}" for name, value in entry.values.items())
        for entry in PUBLISHED.get(benchmark, ())
    ]
