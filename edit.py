"""Edit a picture: ``python edit.py photo.png "make the hat red" --output out.png --explain``."""

import sys

from editmgt.editing.edit_command import main

if __name__ == "__main__":
    sys.exit(main())
