"""Texts that are longer than the text encoder reads: found before any work, and told once, however many there are."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from editmgt.text import TextEncoder


class InstructionCut(UserWarning):
    """Instructions are longer than the text encoder reads.

    Args:
        cuts: instruction -> its end, which is not read.
        length: tokens that are.
    """

    def __init__(self, cuts: dict[str, str], length: int) -> None:
        self.cuts, self.length = cuts, length
        which = "the instruction is" if len(cuts) == 1 else f"{len(cuts)} instructions are"
        of = "" if len(cuts) == 1 else " of the first"
        super().__init__(
            f"{which} longer than the {length} tokens the text encoder reads; this was cut{of}: "
            f"'{next(iter(cuts.values()))}'"
        )


def cuts_of(texts: Iterable[str], text_encoder: "TextEncoder") -> dict[str, str]:
    """Return each text that is longer than the text encoder reads, with its end, which is not read."""
    return {text: cut for text in dict.fromkeys(texts) if (cut := text_encoder.truncated(text))}


def count_line(texts: Sequence[str], text_encoder: "TextEncoder", what: str) -> str:
    """Return a line on how many of ``texts``, as they are called by ``what``, are cut; "" where none is."""
    cuts = cuts_of(texts, text_encoder)
    if not cuts:
        return ""
    return (
        f"{sum(text in cuts for text in texts):,} of {len(texts):,} {what} are longer than the {text_encoder.length} "
        f"tokens the text encoder reads; not read of the first: '{next(iter(cuts.values()))}'"
    )


@contextmanager
def told_once(say: Callable[[str], None]) -> Iterator[None]:
    """Gather the ``InstructionCut`` warnings of the body and say one line of them all; others go their way."""
    found: list[InstructionCut] = []

    def gather(message: Warning | str, *details: Any, **more: Any) -> None:
        if isinstance(message, InstructionCut):
            found.append(message)
        else:
            show(message, *details, **more)

    try:
        with warnings.catch_warnings():
            show: Callable[..., None] = warnings.showwarning
            warnings.simplefilter("always", InstructionCut)
            warnings.showwarning = gather
            yield
    finally:
        if found:
            cuts = {text: cut for warning in found for text, cut in warning.cuts.items()}
            say(f"Warning: {InstructionCut(cuts, found[0].length)}")
