"""The masked generative transformer: tokens in, logits out. Plain torch."""

from editmgt.model.config import AESTHETIC_SCORE, MGTConfig
from editmgt.model.transformer import MGTOutput, MGTransformer

__all__ = ["AESTHETIC_SCORE", "MGTConfig", "MGTOutput", "MGTransformer"]
