"""The rows of a small evaluation: edited, not defined, failed, and one that could not be loaded."""

import math

from editmgt.results import Row

NAMES = ("edit/success", "outside/psnr")


def rows() -> list[Row]:
    def row(index: int, edit_type: str, success: float, psnr: float) -> Row:
        values = {"edit/success": success, "outside/psnr": psnr}
        return Row(f"s{index}", 3, "p", edit_type, "", 'say "a, b"', values=values)

    return [
        row(0, "add", 1.0, 30.125),
        row(1, "add", 0.0, math.nan),
        Row("s2", 3, "p", "add", error="ValueError: no, not this"),
        row(3, "remove", 1.0, 20.0),
        Row("#4", 3, error="OSError: truncated"),
    ]
