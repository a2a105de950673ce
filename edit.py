"""Edit a picture: ``python edit.py photo.png "make the hat red" --output out.png --explain``."""

import sys

from editmgt.editing.edit_command import main
from editmgt.interrupts import end_on_interrupt

if __name__ == "__main__":
    end_on_interrupt()
    sys.exit(main())
