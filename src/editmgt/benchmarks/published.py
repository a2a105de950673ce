"""Numbers that others published for the protocols, to stand beside measured ones and never among them."""

from dataclasses import dataclass

LABEL = "published, not measured here"


@dataclass(frozen=True)
class Published:
    """One method's numbers on one protocol.

    Attributes:
        method: as its authors call it.
        values: the paper's own metric names -> values.
        source: where they were read.
    """

    method: str
    values: dict[str, float]
    source: str


_EDITMGT = "EditMGT, arXiv 2512.11715"
_QUOTED = f"{_EDITMGT}, which quotes them"

PUBLISHED: dict[str, tuple[Published, ...]] = {
    "magicbrush": (
        Published("EditMGT 960M", {"CLIP_im": 0.911, "L1": 0.058, "DINO": 0.881}, _EDITMGT),
        Published("AnyEdit", {"CLIP_im": 0.898, "L1": 0.051, "DINO": 0.881}, _QUOTED),
        Published("VAREdit-8B", {"CLIP_im": 0.901, "L1": 0.083, "DINO": 0.844}, _QUOTED),
        Published(
            "MagicBrush's own checkpoint, all turns",
            {"L1": 0.0656, "CLIP-I": 0.9253, "DINO": 0.8895, "CLIP-T": 0.2722},
            "OSU-NLP-Group/MagicBrush",
        ),
    ),
    "emu_edit": (
        Published("EditMGT 960M", {"CLIP_im": 0.878, "CLIP_out": 0.308, "DINO": 0.832}, _EDITMGT),
        Published("OmniGen2", {"CLIP_im": 0.876, "DINO": 0.822}, _QUOTED),
    ),
    "gedit": (Published("EditMGT 960M, English", {"overall": 5.87}, _EDITMGT),),
}


def notes(benchmark: str) -> list[str]:
    """Return a line for each method with published numbers on ``benchmark``."""
    return [
        f"{LABEL} ({entry.source}): {entry.method} on {benchmark}: "
        + ", ".join(f"{name} {value:g}" for name, value in entry.values.items())
        for entry in PUBLISHED.get(benchmark, ())
    ]
