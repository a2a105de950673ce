"""Hold where the model itself finds no code likelier than the source's."""

from torch import Tensor


def held(likeliest_BHW: Tensor) -> Tensor:
    """What the model says is the rule's answer."""
    return likeliest_BHW
