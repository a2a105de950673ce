"""What sharing costs: the 2x2x2 study against its 2 trainings and 6 passes of edits run bare, in one process.

    python benchmarks/sharing.py [key=value ...]

Prints both processor times and their ratio; the study's includes everything that a user waits for, the controls and the
report too. Processor time, not the clock's: it means the same on a busy machine.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SMALL = [
    "debug=smoke",
    "trainer.max_steps=40",
    "benchmark.size=32",
    "benchmark.batch_size=32",
    "sampler.steps=8",
]


def main(arguments: list[str]) -> None:
    """Measure, after everything is imported and the training set is rendered."""
    sys.path.insert(0, str(ROOT))
    os.chdir(tempfile.mkdtemp())
    import train
    from editmgt.benchmarks import build
    from editmgt.config.schema import Train
    from editmgt.editing import Editor
    from editmgt.evaluation.evaluate import evaluate
    from editmgt.stores.identity import edit_settings
    from editmgt.sweeps import command
    from editmgt.sweeps.compose import compose_all
    from editmgt.training.run import train as run_training

    overrides = [*SMALL, "logger=none", *arguments]

    def config(injection: bool, consolidation: bool, hold: bool) -> Train:
        switches = {"attention_injection": injection, "consolidation": consolidation, "region_hold": hold}
        chosen = [f"model.{name}={str(value).lower()}" for name, value in switches.items()]
        composed = compose_all(ROOT / "conf", "train", [*overrides, *chosen], False).cells[0].config
        assert isinstance(composed, Train)
        return composed

    run_training(config(True, True, True), Path("warm"))
    start = time.process_time()
    for injection in (True, False):
        finished = run_training(config(injection, True, True), Path(f"bare-{injection}"))
        editor = Editor.from_pretrained(finished)
        for consolidation, hold in ((True, False), (True, True), (False, True)):
            one = config(injection, consolidation, hold)
            benchmark, out = one.benchmark, Path(f"bare-{injection}-{consolidation}-{hold}")
            evaluate(editor, build(benchmark), edit_settings(one), out, batch_size=benchmark.batch_size)
    bare = time.process_time() - start
    start = time.process_time()
    status = command.main(
        "train", train.run, ROOT / "conf", ["-m", "experiment=components", "seed=0", *overrides]
    )
    study = time.process_time() - start
    passes = [path for path in Path("outputs/edits").iterdir() if path.is_dir()]
    trainings = [path for path in Path("outputs/trainings").iterdir() if path.is_dir()]
    print(
        f"status {status}; {len(trainings)} trainings, {len(passes)} passes (the shipped editor's among them)"
    )
    print(f"bare {bare:.1f} s, study {study:.1f} s, ratio {study / bare:.2f}")


if __name__ == "__main__":
    main(sys.argv[1:])
