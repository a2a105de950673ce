"""Numbers that others published for the protocols, to stand beside measured ones and never among them.

Under our names of what the protocol measures: against the target, CLIP_im or CLIP-I is ``clip/i`` and DINO ``dino/i``;
against the source (Emu Edit) ``clip/i_source`` and ``dino/i_source``; CLIP_out and CLIP-T are ``clip/t``.
"""

from dataclasses import dataclass

from editmgt.benchmarks.protocols import protocol

LABEL = "published, not measured here"


@dataclass(frozen=True)
class Published:
    """One method's numbers on one protocol."""

    method: str  # as its authors call it
    values: dict[str, float]  # by our metric names
    source: str  # where they were read


EDITMGT = "EditMGT, arXiv 2512.11715"
QUOTED = f"{EDITMGT}, which quotes them"


def published(benchmark: str) -> tuple[Published, ...]:
    """Return what others published on ``benchmark``."""
    found: tuple[Published, ...] = getattr(protocol(benchmark), "PUBLISHED", ())
    return found


def notes(benchmark: str) -> list[str]:
    """Return a line for each method with published numbers on ``benchmark``."""
    return [
        f"{LABEL} ({entry.source}): {entry.method} on {benchmark}: "
        + ", ".join(f"{name} {value:g}" for name, value in entry.values.items())
        for entry in published(benchmark)
    ]
