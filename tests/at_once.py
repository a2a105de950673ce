"""Start commands at the same moment: ``python tests/at_once.py TASK COMMAND_LINES``, a JSON list of lists.

Everything heavy is imported once; each command is a fork of this process. Prints the exit statuses as JSON; what command
``i`` said is in ``said-i.txt``.
"""

import json
import os
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def main(task: str, command_lines: list[list[str]]) -> list[int]:
    """Return the exit statuses."""
    sys.path.insert(0, str(ROOT))
    from editmgt.sweeps import command

    run = __import__(task).run
    children = []
    for number, arguments in enumerate(command_lines):
        child = os.fork()
        if child == 0:
            with Path(f"said-{number}.txt").open("w") as said:
                os.dup2(said.fileno(), 1)
                os.dup2(said.fileno(), 2)
            status = command.main(task, run, ROOT / "conf", arguments)
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
        children.append(child)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], json.loads(sys.argv[2]))))
