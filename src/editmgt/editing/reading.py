"""The text encoder as an editor uses it: read everything before the first step, then make room."""

from collections.abc import Iterable, Mapping, Sequence

import torch

from editmgt.errors import UserError, nearest
from editmgt.text import TextEncoder, TextStates

AFTERWARDS = ("keep", "offload", "drop")


class Reader:
    """Holds the states of the texts of an edit; those that the next edit needs again stay: the negative prompt's.

    ``afterwards`` says what becomes of the text encoder once it has read: ``keep`` leaves it beside the transformer,
    ``offload`` sends it back to the CPU, ``drop`` frees it for good, so that no other text can be read.
    """

    def __init__(self, encoder: TextEncoder, afterwards: str = "keep") -> None:
        if afterwards not in AFTERWARDS:
            raise UserError(
                f"text_encoder_afterwards={afterwards} must be one of {', '.join(AFTERWARDS)}."
                f"{nearest(afterwards, AFTERWARDS)}"
            )
        self.encoder, self.afterwards = encoder, afterwards
        self._states: dict[str, TextStates] = {}
        self._read_as: tuple[torch.device, torch.dtype] | None = None

    @torch.no_grad()
    def read(self, texts: Iterable[str], device: torch.device, batch_size: int) -> dict[str, TextStates]:
        """Return the states [1,T,D] and [1,P] of each distinct text; those that the last call read are not read again.

        A text encoder that learns changes between edits, so nothing is taken over from one.
        """
        learning = any(parameter.requires_grad for parameter in self.encoder.parameters())
        read_as = (device, self.encoder.model.dtype)
        known = {} if learning or read_as != self._read_as else self._states
        needed = dict.fromkeys(texts)
        unread = [text for text in needed if text not in known]
        if unread and self.encoder.model.device.type == "meta":
            raise UserError(
                f"The text encoder was dropped after the first edit and cannot read '{unread[0]}': load the editor "
                "anew, or with text_encoder_afterwards=offload."
            )
        states = {text: known[text] for text in needed if text in known}
        if unread and self.afterwards == "offload":
            self.encoder.to(device)
        for start in range(0, len(unread), batch_size):
            batch = unread[start : start + batch_size]
            read = self.encoder.encode(batch)
            for row, text in enumerate(batch):
                states[text] = TextStates(*(part[row : row + 1].to(device) for part in read))
        if self.afterwards != "keep":
            self.encoder.to("cpu" if self.afterwards == "offload" else "meta")
        self._states, self._read_as = states, read_as
        return states


def stacked(states: Mapping[str, TextStates], texts: Sequence[str]) -> TextStates:
    """Return the states of ``texts``, a row for each."""
    rows = [states[text] for text in texts]
    return TextStates(*(torch.cat(parts) for parts in zip(*rows, strict=True)))
