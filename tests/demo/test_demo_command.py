"""The command line of ``editmgt demo``: what is wrong is one line, before anything is served or imported."""

import socket
import subprocess
import sys
from pathlib import Path

from demo_process import ENVIRONMENT, free_port, run_demo


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for arguments, said in (
            (["--port", str(port)], f"--port {port} cannot be used: Address already in use. Name another."),
            (["--port", "0"], "--port 0 must be from 1 to 65535."),
            (["--port", "x"], "Argument --port: invalid int value: 'x'. See editmgt demo --help."),
            (
                ["--text-encoder", "drop"],
                "--text-encoder drop would leave nothing that reads a second instruction",
            ),
            (["--checkpoint", "tiny_edtor"], "Did you mean 'tiny_editor'?"),
        ):
            result = run_demo(*arguments, cwd=tmp_path)
            assert (result.returncode, result.stdout) == (2, "")
            assert said in result.stderr and len(result.stderr.splitlines()) == 1


def test_a_broken_checkpoint_is_told_as_edit_py_tells_it(tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    result = run_demo("--checkpoint", "broken", "--port", str(free_port()), cwd=tmp_path)
    assert result.returncode == 2
    said = f"{tmp_path / 'broken'} is not an editor: it has no scheduler/scheduler_config.json."
    assert result.stderr.splitlines() == [said]


def test_a_busy_machine_serves_too(tmp_path: Path) -> None:
    """Gradio gives a page of its own three seconds to answer, and says that there is none; the checkpoint ends it here."""
    (tmp_path / "broken").mkdir()
    arguments = ["--checkpoint", "broken", "--port", str(free_port())]
    code = (
        "import sys; from gradio import networking; networking.url_ok = lambda url: False\n"
        f"from editmgt.demo.__main__ import main; sys.exit(main({arguments}))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2 and "is not an editor" in result.stderr and "http://" in result.stdout


def test_neither_help_nor_a_lack_of_gradio_waits_for_anything(tmp_path: Path) -> None:
    code = (
        "import sys; {}; from editmgt.demo.__main__ import main\n"
        "try: status = main({})\nexcept SystemExit as end: status = end.code\n"
        "print([name for name in ('torch', 'gradio') if sys.modules.get(name)]); sys.exit(status)"
    )

    def run(before: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-c", code.format(before, list(arguments))],
            cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=False,
        )  # fmt: skip

    asked = run("pass", "--help")
    assert asked.returncode == 0 and "--port" in asked.stdout and asked.stdout.endswith("[]\n")
    lacking = run(
        "from importlib import util; find = util.find_spec; "
        "util.find_spec = lambda name: None if name == 'gradio' else find(name)"
    )
    assert lacking.returncode == 2 and lacking.stderr.splitlines() == [
        'The page is made with Gradio, which is not installed: pip install -e ".[demo]"'
    ]
