"""Region hold: codes that the map says nothing has to change at keep the code of the image to edit.

Shapes: B batch, h w the map's own grid, H W codes.
"""

import torch.nn.functional as F
from torch import Tensor

from editmgt.editing.hold_rules import needs, rule
from editmgt.editing.settings import EditSettings


def scores_at_codes(scores_Bhw: Tensor, height: int, width: int) -> Tensor:
    """Bring scores from cells to codes, bicubic as published; a grid that fits is returned as it is."""
    if scores_Bhw.shape[-2:] == (height, width):
        return scores_Bhw
    resized = F.interpolate(scores_Bhw[:, None], size=(height, width), mode="bicubic", align_corners=False)
    return resized[:, 0]


def held_codes(settings: EditSettings, map_Bhw: Tensor, likeliest_BHW: Tensor) -> Tensor:
    """Return the codes [B,H,W] that the settings' rule holds by one pass.

    ``likeliest_BHW`` (bool) says where the model finds no code likelier than the source's; only rules that need it look.
    """
    height, width = likeliest_BHW.shape[1:]
    evidence = {"scores_BHW": scores_at_codes(map_Bhw, height, width), "likeliest_BHW": likeliest_BHW}
    told = {name: evidence[name] for name in needs(settings.hold_rule) if name in evidence}
    return rule(settings.hold_rule)(**told, **settings.hold_parameters)
