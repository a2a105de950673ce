"""Maps that the model's own predictions give: where it would not keep the source's code.

They lie on the codes' grid, need no attention weights, no choice of layers and no smoothing, and their scores are
probabilities. Shapes: B batch, H W codes, M unknown codes of the whole batch, V codebook.
"""

from collections.abc import Collection, Iterable

import torch
from torch import Tensor

from editmgt.editing.predictor import Prediction
from editmgt.editing.settings import CODE_SOURCES


class CodeMaps:
    """The maps [B,H,W] of the sources asked for, in [0, 1], pass by pass.

    A code that is known keeps the score it had when it was last unknown; one that was never unknown has 0.

    Attributes:
        scores: source -> map.
        likeliest_BHW: where no code is likelier than the source's; False everywhere unless ``posterior`` is asked for.
    """

    def __init__(self, sources: Iterable[str], reference_BHW: Tensor) -> None:
        self.reference_BHW = reference_BHW
        nothing_BHW = torch.zeros(reference_BHW.shape, dtype=torch.float32, device=reference_BHW.device)
        self.scores = {source: nothing_BHW for source in sources if source in CODE_SOURCES}
        self.likeliest_BHW = nothing_BHW.bool()

    def update(self, prediction: Prediction, unknown_BHW: Tensor) -> None:
        """Take in what a pass says of the unknown codes."""
        codes_M = self.reference_BHW[unknown_BHW]
        for source, scores_BHW in self.scores.items():
            scores_M = _scores(source, prediction, codes_M)
            self.scores[source] = scores_BHW.masked_scatter(unknown_BHW, scores_M)
        if "posterior" in self.scores:
            assert prediction.conditional_MV is not None
            own_M1 = prediction.conditional_MV.gather(-1, codes_M[:, None])
            likeliest_M = own_M1[:, 0] >= prediction.conditional_MV.amax(dim=-1)
            self.likeliest_BHW = self.likeliest_BHW.masked_scatter(unknown_BHW, likeliest_M)

    def of(self, rows: list[int]) -> "CodeMaps":
        """The maps of some samples alone, in their order."""
        part = CodeMaps(self.scores, self.reference_BHW[rows])
        part.scores = {source: scores_BHW[rows] for source, scores_BHW in self.scores.items()}
        part.likeliest_BHW = self.likeliest_BHW[rows]
        return part

    def forget_all_but(self, sources: Collection[str]) -> None:
        """Stop making the maps of other sources."""
        self.scores = {source: scores for source, scores in self.scores.items() if source in sources}


def _scores(source: str, prediction: Prediction, codes_M: Tensor) -> Tensor:
    """Return [M] in [0, 1]: how little the instruction leaves of the source's code, or how much of it it takes."""
    assert prediction.conditional_MV is not None  # both halves are asked for where there are maps
    given_M = _probability(prediction.conditional_MV, codes_M)
    if source == "posterior":
        return (1 - given_M).clamp(min=0)
    assert prediction.unconditional_MV is not None  # settings without guidance are refused
    return (_probability(prediction.unconditional_MV, codes_M) - given_M).clamp(min=0)


def _probability(logits_MV: Tensor, codes_M: Tensor) -> Tensor:
    """The codes' probabilities [M]; a whole softmax [M,V] would be as large as the logits."""
    return (logits_MV.gather(-1, codes_M[:, None])[:, 0] - logits_MV.logsumexp(dim=-1)).exp()
