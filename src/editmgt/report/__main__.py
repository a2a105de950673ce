"""Rebuild the report of a run or a sweep from its stored rows: ``python -m editmgt.report DIRECTORY``."""

import sys
from pathlib import Path

from editmgt.errors import UserError
from editmgt.report import build


def main(arguments: list[str]) -> int:
    """Return the exit status."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print("usage: python -m editmgt.report DIRECTORY", file=sys.stderr)
        return 2
    try:
        build(Path(arguments[0]))
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:  # a directory that cannot be written, a disk that is full
        print(f"{Path(arguments[0]) / 'report'} cannot be made: {error.strerror}.", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
