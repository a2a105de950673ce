"""The plain command line behind ``edit.py``; what is slow to import waits until the line is read."""

import sys
from collections.abc import Sequence

from editmgt.editing.edit_options import read_line
from editmgt.errors import UserError, first_line
from editmgt.interrupts import INTERRUPTED, interrupt_work

BAD_INPUT = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Edit a picture, or a directory of them, as the command line says; returns the exit status."""
    try:
        options = read_line(arguments)
        if options.image.is_dir():
            from editmgt.editing.directory import edit_directory

            interrupt_work()
            return edit_directory(options)
        from editmgt.editing.edit_file import edit

        interrupt_work()
        print("\n".join(edit(options).lines))
    except UserError as error:
        print(error, file=sys.stderr)
        return BAD_INPUT
    except OSError as error:  # a folder that may not be searched, for one
        print(f"{first_line(error)}.", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("Interrupted: no file is half written.", file=sys.stderr)
        return INTERRUPTED
    return 0
