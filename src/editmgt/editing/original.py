"""A user's own picture: how it was given, what the editor reads of it, and the way of an edit back into it.

| given | read as | given back as |
|---|---|---|
| RGB, palette, grey, black and white | sRGB by its profile | RGB in its profile |
| LAB, HSV, YCbCr | sRGB | RGB |
| the same with transparency | over white | RGBA in its profile |
| 16-bit grey | its high byte | 16-bit grey: what an edit colours is grey |
| CMYK | sRGB by its profile | CMYK in its profile |

A grey picture's profile is no profile of colours: it is given back in sRGB, as is CMYK whose profile knows no way back, and
``converted`` says so.
"""

import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from PIL import Image, ImageChops

from editmgt.editing.images import GREY, ImageLike, as_picture, srgb_colours, upright, upright_rgb
from editmgt.editing.profiles import can_return, from_srgb

DEEP_GREY = "I;16"
_KEPT = ("icc_profile", "dpi")


@dataclass(frozen=True)
class Original:
    """A picture before an edit, upright.

    Attributes:
        base: its own pixels, in the mode that :meth:`take` gives back: RGB, RGBA, CMYK or I;16.
        rgb: what the editor reads: 8-bit sRGB.
        converted: what of the picture's own colours ``base`` has in sRGB instead; "" where it has the very same.
    """

    base: Image.Image
    rgb: Image.Image
    converted: str = ""

    @classmethod
    def of(cls, image: ImageLike) -> Self:
        """Read a picture; what cannot be read as one is a ``UserError``."""
        image = upright(as_picture(image))
        rgb = upright_rgb(image)
        base, converted = _own_pixels(image, rgb), _converted(image, rgb)
        kept: dict[Any, Any] = {name: image.info[name] for name in _KEPT if name in image.info}
        if not _is_density(kept.get("dpi")):
            kept.pop("dpi", None)
        if (base is rgb and image.mode != "RGB") or image.mode in GREY:
            kept.pop("icc_profile", None)  # of a grey picture, or converted away
        base.info = kept
        return cls(base, rgb, converted)

    def take(self, picture: Image.Image) -> Image.Image:
        """Return ``picture``, an edit in sRGB of this one's size, in this one's mode, profile and density.

        Transparency stays as far as it can: over white the result looks as ``picture`` does, and it is no more opaque
        than that takes.
        """
        mode, profile = self.base.mode, self.base.info.get("icc_profile")
        if mode == DEEP_GREY:
            own = Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)
        elif mode == "RGBA":
            colours, alpha = _over_white_undone(picture, self.base.getchannel("A"))
            own = from_srgb(colours, "RGB", profile)
            own.putalpha(alpha)
        else:
            own = from_srgb(picture, mode, profile)
        own.info = dict(self.base.info)
        return own


def _own_pixels(image: Image.Image, rgb: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I"):
        return Image.fromarray(np.asarray(image).astype(np.uint16))
    if image.has_transparency_data:
        own = image.convert("RGBA")
        if image.mode in GREY:  # whose profile knows no colours
            own = srgb_colours(image)
            own.putalpha(image.convert("RGBA").getchannel("A"))
        return own
    if image.mode == "CMYK" and can_return("CMYK", profile):
        return image.copy()
    if image.mode in ("RGB", "P") and profile:
        return image.convert("RGB")
    return rgb


def _converted(image: Image.Image, rgb: Image.Image) -> str:
    """What :func:`_own_pixels` cannot keep of a picture's colours."""
    profile = image.info.get("icc_profile")
    if image.mode in ("LAB", "HSV", "YCbCr"):
        return f"{image.mode} colours"
    if image.mode == "CMYK" and not can_return("CMYK", profile):
        return "CMYK colours, whose profile knows no way back"
    if image.mode in GREY and profile:
        moved = ImageChops.difference(srgb_colours(image), image.convert("L").convert("RGB")).getbbox()
        return "a profile of greys" if moved else ""
    return ""


def _is_density(dpi: Any) -> bool:
    """Whether dots per inch are numbers that a file can say; 1 is what a file says that knows none."""
    try:
        return len(dpi) == 2 and all(math.isfinite(value) and 1 < value < 0xFFFF for value in dpi)
    except (TypeError, ValueError, ZeroDivisionError):  # files hold anything, fractions of nothing too
        return False


def _over_white_undone(picture: Image.Image, alpha: Image.Image) -> tuple[Image.Image, Image.Image]:
    """Return the RGB and the alpha that look as ``picture`` does over white, as transparent as ``alpha`` if they can."""
    seen, covering = np.array(picture), np.array(alpha)
    thin = covering < 255
    seen_N3 = seen[thin].astype(np.float32)
    # no channel can be darker than the white that shines through
    covering_N = np.maximum(covering[thin], 255 - seen_N3.min(axis=1, initial=255))
    share_N1 = np.maximum(covering_N, 1)[:, None] / 255
    seen[thin] = ((seen_N3 - 255 * (1 - share_N1)) / share_N1).round().clip(0, 255).astype(np.uint8)
    covering[thin] = covering_N.astype(np.uint8)
    return Image.fromarray(seen), Image.fromarray(covering)
