"""The scene graph: what is in a picture, before it is drawn.

Coordinates are fractions of the image's side, x to the right and y down, so a scene has no resolution.
"""

from dataclasses import dataclass

SHAPES = ("circle", "square", "triangle", "diamond", "cross", "star")
PATTERNS = ("plain", "striped", "dotted", "checkered")
STYLES = ("grayscale", "sepia", "negative", "night")

#: RGB of the objects' colours.
COLORS = {
    "red": (215, 40, 40),
    "orange": (245, 140, 20),
    "yellow": (240, 215, 40),
    "green": (40, 150, 60),
    "cyan": (40, 190, 210),
    "blue": (40, 70, 200),
    "purple": (140, 50, 170),
    "black": (30, 30, 30),
}

#: RGB of the backgrounds' tones: pale, so that every object stands out.
TONES = {
    "white": (252, 252, 252),
    "gray": (200, 200, 204),
    "mint": (196, 240, 214),
    "peach": (255, 220, 196),
    "lavender": (222, 208, 250),
    "sky": (196, 226, 252),
}

#: Diameter as a fraction of the image's side.
SIZES = {"small": 0.20, "medium": 0.28, "large": 0.36}

#: The nine places an object can be named by, and their centres (x, y), on a lattice of sixteenths.
PLACES = {
    "top left": (0.1875, 0.1875),
    "top": (0.5, 0.1875),
    "top right": (0.8125, 0.1875),
    "left": (0.1875, 0.5),
    "center": (0.5, 0.5),
    "right": (0.8125, 0.5),
    "bottom left": (0.1875, 0.8125),
    "bottom": (0.5, 0.8125),
    "bottom right": (0.8125, 0.8125),
}


@dataclass(frozen=True)
class Thing:
    """One object. ``place`` names the region that (x, y) lies in."""

    shape: str
    color: str
    size: str
    pattern: str
    place: str
    x: float
    y: float


@dataclass(frozen=True)
class Background:
    """``pattern`` is one of PATTERNS or ``gradient`` (``tone`` at the top, ``second_tone`` at the bottom)."""

    tone: str
    pattern: str = "plain"
    second_tone: str = ""


@dataclass(frozen=True)
class Scene:
    """A background, objects in painting order (later ones occlude earlier ones), and a style for the whole."""

    background: Background
    things: tuple[Thing, ...]
    style: str = ""
