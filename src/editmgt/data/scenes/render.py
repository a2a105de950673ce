"""Scene graph -> anti-aliased picture, at any resolution.

An object's outline is a signed distance field in units of its radius; its coverage of a pixel is the distance to
the outline in pixels, clipped. Patterns are anchored to the picture, not to the object (like SVG's
``patternUnits="userSpaceOnUse"``): an object is a window onto its texture.
"""

from collections.abc import Callable
from functools import lru_cache
from math import cos, pi, sin, sqrt

import numpy as np
from numpy.typing import NDArray

from editmgt.data.scenes.graph import COLORS, SIZES, TONES, Background, Scene, Thing

Array = NDArray[np.floating]

_OBJECT_PERIOD = 1 / 8
_BACKGROUND_PERIOD = 1 / 4
_SUPERSAMPLING = 4


def render(scene: Scene, resolution: int) -> NDArray[np.uint8]:
    """Draw ``scene`` as uint8 [resolution, resolution, 3]."""
    canvas = _background(scene.background, resolution).copy()
    for thing in scene.things:
        _paint(canvas, thing, resolution)
    if scene.style:
        canvas = _STYLES[scene.style](canvas)
    return (canvas + 0.5).astype(np.uint8)


def _paint(canvas: Array, thing: Thing, resolution: int) -> None:
    radius = SIZES[thing.size] / 2 * resolution
    center_x, center_y = thing.x * resolution, thing.y * resolution
    left, right = _span(center_x, radius, resolution)
    top, bottom = _span(center_y, radius, resolution)
    if left >= right or top >= bottom:
        return
    x = ((np.arange(left, right, dtype=np.float32) + 0.5 - center_x) / radius)[None, :]
    y = ((np.arange(top, bottom, dtype=np.float32) + 0.5 - center_y) / radius)[:, None]
    coverage = np.clip(0.5 - _OUTLINES[thing.shape](x, y) * radius, 0, 1)[..., None]
    color = np.asarray(COLORS[thing.color], np.float32)
    fill: Array = color
    if thing.pattern != "plain":
        mark = _pattern(thing.pattern, resolution, _OBJECT_PERIOD)[top:bottom, left:right, None]
        fill = color + mark * (0.55 * (255 - color))
    window = canvas[top:bottom, left:right]
    window += coverage * (fill - window)


def _span(center: float, radius: float, resolution: int) -> tuple[int, int]:
    return max(0, int(center - radius - 1)), min(resolution, int(center + radius + 2))


@lru_cache(maxsize=512)
def _background(background: Background, resolution: int) -> Array:
    tone = np.asarray(TONES[background.tone], np.float32)
    canvas = np.broadcast_to(tone, (resolution, resolution, 3))
    if background.pattern == "gradient":
        second = np.asarray(TONES[background.second_tone], np.float32)
        down = ((np.arange(resolution, dtype=np.float32) + 0.5) / resolution)[:, None, None]
        return np.broadcast_to(tone + down * (second - tone), canvas.shape).astype(np.float32)
    if background.pattern != "plain":
        mark = _pattern(background.pattern, resolution, _BACKGROUND_PERIOD)[..., None]
        return (tone - mark * (0.18 * tone)).astype(np.float32)
    return canvas.astype(np.float32)


@lru_cache(maxsize=64)
def _pattern(name: str, resolution: int, period: float) -> Array:
    """How much of each pixel [H, W] the pattern's marks cover, in [0, 1]."""
    fine = (np.arange(resolution * _SUPERSAMPLING) + 0.5) / (resolution * _SUPERSAMPLING) / period
    x, y = fine[None, :], fine[:, None]
    if name == "striped":
        marks = np.broadcast_to(y % 1 >= 0.5, (fine.size, fine.size))
    elif name == "checkered":
        marks = (x % 1 >= 0.5) != (y % 1 >= 0.5)
    else:  # dotted
        marks = (x % 1 - 0.25) ** 2 + (y % 1 - 0.25) ** 2 < 0.23**2
    blocks = marks.reshape(resolution, _SUPERSAMPLING, resolution, _SUPERSAMPLING)
    return blocks.mean(axis=(1, 3), dtype=np.float32)


# --- outlines: signed distance (radius 1, negative inside) at x [1, W], y [H, 1] ---


def _circle(x: Array, y: Array) -> Array:
    return np.sqrt(x * x + y * y) - 0.95


def _square(x: Array, y: Array) -> Array:
    return np.maximum(abs(x), abs(y)) - 0.82


def _triangle(x: Array, y: Array) -> Array:
    # Upright: base at y = .75, apex at y = -.9.
    length = sqrt(1.65**2 + 0.95**2)
    sides = (1.65 * abs(x) - 0.95 * (y + 0.9)) / length
    return np.maximum(sides, y - 0.75)


def _diamond(x: Array, y: Array) -> Array:
    return (abs(x) + abs(y) - 1.0) / sqrt(2)


def _cross(x: Array, y: Array) -> Array:
    across = np.maximum(abs(x) - 0.95, abs(y) - 0.32)
    upright = np.maximum(abs(x) - 0.32, abs(y) - 0.95)
    return np.minimum(across, upright)


def _star(x: Array, y: Array) -> Array:
    # Five points: fold the plane into one tenth of the turn, where the outline is one straight edge.
    angle = np.arctan2(x, -y)
    folded = abs((angle + pi / 5) % (2 * pi / 5) - pi / 5)
    distance = np.sqrt(x * x + y * y)
    along, aside = distance * np.cos(folded), distance * np.sin(folded)
    tip, notch = 1.0, 0.45
    edge_x, edge_y = notch * cos(pi / 5) - tip, notch * sin(pi / 5)
    normal = sqrt(edge_x**2 + edge_y**2)
    return (edge_y * (along - tip) - edge_x * aside) / normal


_OUTLINES: dict[str, Callable[[Array, Array], Array]] = {
    "circle": _circle,
    "square": _square,
    "triangle": _triangle,
    "diamond": _diamond,
    "cross": _cross,
    "star": _star,
}


# --- styles: whole-picture transforms of float [H, W, 3] in 0..255 ---

_LUMA = np.asarray([0.299, 0.587, 0.114], np.float32)


def _gray(canvas: Array) -> Array:
    return np.repeat((canvas @ _LUMA)[..., None], 3, axis=2)


def _sepia(canvas: Array) -> Array:
    return _gray(canvas) * np.asarray([0.98, 0.82, 0.60], np.float32)


def _negative(canvas: Array) -> Array:
    return 255 - canvas


def _night(canvas: Array) -> Array:
    return canvas * np.asarray([0.30, 0.34, 0.52], np.float32)


_STYLES: dict[str, Callable[[Array], Array]] = {
    "grayscale": _gray,
    "sepia": _sepia,
    "negative": _negative,
    "night": _night,
}
