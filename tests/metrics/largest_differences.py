"""How far the metrics are from their outside implementations: ``python tests/metrics/largest_differences.py``.

Runs the metrics' tests and prints, for every comparison in them, the largest difference that was seen between the two
sides, in the order of the files.
"""

import linecache
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import torch

ROOT = Path(__file__).parent


def main() -> int:
    """Run and print; returns pytest's exit status."""
    largest: defaultdict[tuple[str, int], float] = defaultdict(float)

    def note(difference: float) -> None:
        frame = sys._getframe(2)
        while frame.f_back and Path(frame.f_code.co_filename).parent != ROOT:
            frame = frame.f_back
        if difference == difference:  # two NaN are equal here
            place = frame.f_code.co_filename, frame.f_lineno
            largest[place] = max(largest[place], difference)

    scalar: Any = type(pytest.approx(0.0))
    equal, close = scalar.__eq__, torch.testing.assert_close

    def approx(self: Any, actual: Any) -> bool:
        note(abs(float(actual) - float(self.expected)))
        return equal(self, actual)

    def assert_close(actual: Any, expected: Any, **options: Any) -> None:
        note(float((actual.double() - expected.double()).abs().nan_to_num(0).max()))
        close(actual, expected, **options)

    scalar.__eq__ = approx
    torch.testing.assert_close = assert_close  # type: ignore[assignment]
    status = int(pytest.main(["-n", "0", str(ROOT)]))
    for (file, line), difference in sorted(largest.items()):
        print(f"{difference:8.1e}  {Path(file).name}:{line}  {linecache.getline(file, line).strip()[:90]}")
    return status


if __name__ == "__main__":
    sys.exit(main())
