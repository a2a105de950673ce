"""The masked generative transformer: tokens in, logits out. Plain torch."""

from editmgt.model.config import MGTConfig
from editmgt.model.transformer import MGTOutput, MGTransformer

__all__ = ["MGTConfig", "MGTOutput", "MGTransformer"]
