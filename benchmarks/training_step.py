"""What a step of training costs: here, as one would write it at first, and in another version of this project.

    python benchmarks/training_step.py [--other CHECKOUT] [--turns 5] [--steps 4]

``plain`` encodes both pictures of every pair in the step, makes logits of all tokens, and updates one tensor at a time.
Sides take turns of some steps, each in a process of its own: the miniature, batches of 32, float32. Prints the seconds
of a step, the median of the turns, and how many times faster this version is, turn by turn.
"""

import argparse
import json
import os
import runpy
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from side import Side

ROOT = Path(__file__).resolve().parent.parent
TRAIN = [
    "trainer.precision=32-true",
    "trainer.max_steps=100000",
    "trainer.val_check_interval=100000",
    "trainer.checkpoint_every_n_steps=100000",
    "trainer.preview_size=1",
    "data.train_size=640",
    "logger=csv",
]
WARM = 4  # first steps of a process, which are not counted


def main() -> None:
    """Let the sides take turns."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--other", type=Path, help="a checkout of another version, which trains in this environment"
    )
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--steps", type=int, default=4, help="of one turn")
    options = parser.parse_args()
    checkouts = {"here": ROOT, "plain": ROOT} | ({"other": options.other.resolve()} if options.other else {})
    sides = {
        name: Side([sys.executable, __file__, "--side", name, str(checkout)])
        for name, checkout in checkouts.items()
    }
    for side in sides.values():
        side.ask(steps=WARM)
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(options.turns):
        for name, side in sides.items():
            seconds[name].append(side.ask(steps=options.steps) / options.steps)
    for name, of in seconds.items():
        ratios = [theirs / ours for theirs, ours in zip(of, seconds["here"], strict=True)]
        told = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        print(f"{name}: {statistics.median(of):.2f} s a step; {statistics.median(ratios):.2f} ({told})")
    print(json.dumps(seconds))
    for side in sides.values():
        side.end()


def train_in_turns(name: str, checkout: Path) -> None:
    """Run the checkout's own ``train.py``; every line of the input lets it take so many steps, and is answered with their seconds."""
    answers, sys.stdout = sys.stdout, sys.stderr  # the training prints
    sys.path[:0] = [str(checkout), str(checkout / "src")]
    os.chdir(tempfile.mkdtemp())
    from lightning import Callback, Trainer

    class Turns(Callback):
        left, start = 0, 0.0

        def on_train_batch_start(self, *_: Any) -> None:
            if not self.left:
                line = sys.stdin.readline()
                if not line:
                    os._exit(0)
                self.left, self.start = json.loads(line)["steps"], time.perf_counter()

        def on_train_batch_end(self, *_: Any) -> None:
            self.left -= 1
            if not self.left:
                print(time.perf_counter() - self.start, file=answers, flush=True)

    make = Trainer.__init__

    def with_turns(self: Trainer, *arguments: Any, callbacks: Any = (), **others: Any) -> None:
        make(self, *arguments, callbacks=[*callbacks, Turns()], **others)

    Trainer.__init__ = with_turns  # type: ignore[method-assign]
    chosen = [*TRAIN]
    if name == "plain":
        chosen.append("model.optimizer.foreach=false")
        _make_plain()
    sys.argv = ["train.py", *chosen]
    runpy.run_path(str(checkout / "train.py"), run_name="__main__")


def _make_plain() -> None:
    """Encode both pictures in every step, and make logits of all tokens."""
    import torch

    from editmgt.editing import bundle
    from editmgt.training.editor_module import EditorModule

    codec = bundle.read("tiny_editor").codec
    forward, step = EditorModule.forward, EditorModule.training_step

    def dense(self: EditorModule, tokens: Any, text: Any, ratio: Any, source: Any, at_BHW: Any) -> Any:
        return forward(self, tokens, text, ratio, source).movedim(1, -1)[at_BHW]

    def encoding(self: EditorModule, batch: dict[str, Any], batch_idx: int) -> Any:
        for tokens_BHW in (batch["source_tokens"], batch["target_tokens"]):
            height, width = (side * codec.downsampling for side in tokens_BHW.shape[1:])
            codec.encode(torch.rand(len(tokens_BHW), 3, height, width))
        return step(self, batch, batch_idx)

    EditorModule.forward, EditorModule.training_step = dense, encoding  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--side"]:
        train_in_turns(sys.argv[2], Path(sys.argv[3]))
    else:
        main()
