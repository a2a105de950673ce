"""What ``train.py`` and ``evaluate.py`` do around Hydra: check everything, run the cells, report."""

import argparse
import contextlib
import logging
import os
import shlex
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from inspect import unwrap
from pathlib import Path
from typing import Any, NoReturn

from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from editmgt.config import Config, edit_values, show
from editmgt.config.edit_values import config_key
from editmgt.config.schema import Evaluate, Train
from editmgt.editing.cuts import told_once
from editmgt.errors import UserError, on_one_line
from editmgt.files import write_atomic
from editmgt.interrupts import INTERRUPTED, interrupt_work
from editmgt.lock import locked
from editmgt.results import SweepDirectory, readable
from editmgt.sweeps.checks import (
    check_data,
    check_machine,
    check_resolution,
    distinct,
    each,
    together,
    trains,
    untrained,
)
from editmgt.sweeps.compose import PLAN_KEY, Composition, compose_all
from editmgt.sweeps.elsewhere import LEFT, wait_for_others
from editmgt.sweeps.plan import Plan, create, make_plan, read_plan
from editmgt.sweeps.status import has_ended

FAILED, BAD_INPUT = 1, 2
_FULL_ERROR = "HYDRA_FULL_ERROR"


def main(task: str, run: Callable[[], Any], conf_dir: Path, arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status.

    Args:
        task: ``train`` or ``evaluate``, also the name of the config.
        run: the ``hydra.main`` function.
        conf_dir: Hydra's config directory.
        arguments: the command line without the program; default: this process's. ``--help`` and the like, which
            ``hydra.main`` answers, are read from this process's alone.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if "TORCHELASTIC_RUN_ID" in os.environ:
            raise UserError(
                f"torchrun would run this command several times: python {task}.py ... trainer.devices=N starts the processes "
                "of a training, and a sweep that is started several times shares its cells out."
            )
        options = _options(arguments)
        if options.help or options.hydra_help or options.version or options.shell_completion:
            return _status(run)
        multirun = options.multirun or "hydra.mode=MULTIRUN" in options.overrides
        composition = compose_all(conf_dir, task, options.overrides, multirun)
        if options.cfg or options.info:
            return _status(run)
        plan = make_plan(task, composition, multirun)
        if composition.cells[0].config.logger.name == "wandb" and not composition.plan_only:
            # pydantic looks for W&B's docstrings in every module there is: after the models' libraries that takes a second
            import wandb.apis.public  # noqa: F401
        together(
            lambda: _check_machine_and_data(composition),
            lambda: _check_benchmarks(composition),
            lambda: _check_weights(composition),
        )
        layers, announcement = _look_ahead(plan, composition)
        notes = [*composition.notes, *_unread(composition)]
    except UserError as error:
        print(error, file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        return INTERRUPTED
    if composition.plan_only:
        try:
            print("\n".join([announcement, *notes]), flush=True)
        except BrokenPipeError:  # head, or a pager, has read enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    interrupt_work()
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        plan = create(plan, composition, layers)
        quiet()
        print("\n".join([announcement or f"Run {plan.directory}", *notes]), flush=True)
        overrides = _overrides(options.overrides, composition, plan, multirun)
        with told_once(lambda text: print(text, file=sys.stderr)):
            status = _status(
                lambda: _run_all(
                    plan, composition, partial(_run_cells, task, unwrap(run), conf_dir, overrides)
                )
            )
            return _finish(plan, composition) or status
    except UserError as error:  # of two commands that name one new directory, one is late
        print(error, file=sys.stderr)
        return BAD_INPUT
    except OSError as error:  # a disk that is full, a directory that cannot be written
        print(f"{plan.directory}: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print(f"\nInterrupted. {_how_to_resume(task, plan, composition, arguments)}", file=sys.stderr)
        return INTERRUPTED
    finally:
        signal.signal(signal.SIGTERM, before)


def _overrides(asked: Sequence[str], composition: Composition, plan: Plan, multirun: bool) -> list[str]:
    """What Hydra is given: what was asked for, what a study adds, and the directory that the plan chose."""
    key = "hydra.sweep.dir" if multirun else "hydra.run.dir"
    rest = [text for text in asked if not text.startswith((f"{key}=", f"{PLAN_KEY}="))]
    return [
        *(_settled(text, composition.varying) for text in rest),
        *composition.sweeps,
        f"{key}='{plan.directory}'",
    ]


def _run_all(plan: Plan, composition: Composition, run_cells: Callable[[bool], list[Any]]) -> None:
    """Run the cells; what was left to another process is waited for, and run where that one did not come to its end.

    A cell that failed there would fail here, and two processes that tried each other's failures would never end.
    """
    for _ in composition.cells:
        if LEFT not in run_cells(plan.is_sweep):
            return
        wait_for_others(plan, composition, print)
        if all(has_ended(plan.cell_directory(name)) for name in plan.cells):
            return


def _run_cells(
    task: str, cell: Callable[..., Any], conf_dir: Path, overrides: list[str], multirun: bool
) -> list[Any]:
    """Let Hydra run every cell, by its launcher; ``hydra.main`` does the same with what it reads from ``sys.argv``.

    Returns what the cells returned; a sweeper that chooses them keeps that to itself.
    """
    with initialize_config_dir(version_base="1.3", config_dir=str(conf_dir), job_name=task):
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        go, mode = (hydra.multirun, "MULTIRUN") if multirun else (hydra.run, "RUN")
        ran: Any = go(config_name=task, task_function=cell, overrides=[*overrides, f"hydra.mode={mode}"])
    return [job.return_value for batch in ran or () for job in batch] if multirun else [ran.return_value]


def _settled(argument: str, varying: Sequence[str]) -> str:
    """Below a group that is swept, Hydra would look a key up in the group's first choice, which need not have it."""
    return f"++{argument}" if argument.startswith(tuple(f"{key}." for key in varying)) else argument


def _interrupt(number: int, frame: Any) -> NoReturn:
    """End the whole command as Ctrl-C does: Lightning would only end this cell's training."""
    raise KeyboardInterrupt


def quiet() -> None:
    """Keep libraries' notes to developers off the terminal; warnings of this package stay."""
    os.environ.setdefault("WANDB_SILENT", "true")
    # the children: importing lightning later sets the level of their parents
    for name in ("lightning.pytorch.utilities.rank_zero", "lightning.fabric.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for module in ("lightning", "torch", "torchmetrics", "diffusers", "transformers", "wandb", "pydantic"):
        warnings.filterwarnings("ignore", module=rf"{module}(\..*)?")
    warnings.formatwarning = lambda message, *_args, **_more: f"Warning: {message}\n"


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the flags of ``hydra.main``, which does what they ask for; whatever else there is are overrides."""
    parser = argparse.ArgumentParser(add_help=False)
    for name in (
        "-h --help",
        "--hydra-help",
        "--version",
        "-sc --shell-completion",
        "-r --run",
        "-m --multirun",
        "--resolve",
    ):
        parser.add_argument(*name.split(), action="store_true")
    parser.add_argument("-c", "--cfg", choices=("job", "hydra", "all"))
    parser.add_argument("-p", "--package")
    parser.add_argument("-i", "--info", nargs="?", const="all")
    for name in ("-cn --config-name", "-cp --config-path", "-cd --config-dir", "--experimental-rerun"):
        parser.add_argument(*name.split())
    parser.add_argument("overrides", nargs="*")

    def complain(message: str) -> NoReturn:
        order = "flags such as -m come first; settings" if "=" in message else "settings"
        raise UserError(
            f"{message[0].upper()}{message[1:]}: {order} are written key=value, and --help lists them."
        )

    parser.error = complain  # type: ignore[method-assign]
    options = parser.parse_args(list(arguments))
    unsupported = ("config_name", "config_path", "config_dir", "experimental_rerun")
    if named := [flag for flag in unsupported if getattr(options, flag)]:
        raise UserError(
            f"--{named[0].replace('_', '-')} is not supported: put an experiment into conf/experiment/ "
            "and name it with experiment=NAME."
        )
    return options


def _check_machine_and_data(composition: Composition) -> None:
    """Ask for what will be computed on and learnt from before any work; other machines are asked by their cells."""
    configs = [cell.config for cell in composition.cells]
    trainings = untrained(trains(configs))
    asked = [config for config in configs if isinstance(config, Evaluate)] or trainings
    together(
        lambda: check_machine(() if composition.elsewhere else asked),
        lambda: check_data([(config.data, config.model.kind) for config in trainings]),
    )


def _check_benchmarks(composition: Composition) -> None:
    """Open what will be edited before any work, and ask whether it has what the sweep is judged by."""
    from editmgt.benchmarks import build
    from editmgt.sweeps.arena import check_arena
    from editmgt.sweeps.objective import check_objective

    def check(config: Config) -> None:
        build(config.benchmark)
        check_objective(config, composition.adaptive)

    configs = [cell.config for cell in composition.cells]
    each(configs, lambda c: f"benchmark={c.benchmark.name}", check)
    if not composition.adaptive:  # a sweeper that chooses makes more cells
        check_arena([config.benchmark for config in configs])


def _check_weights(composition: Composition) -> None:
    """Load what will be judged or trained on, and look at what will be resumed, before any work."""
    configs = [cell.config for cell in composition.cells]
    judged = [config for config in configs if isinstance(config, Evaluate)]
    each(judged, lambda c: f"checkpoint={c.checkpoint}", _check_checkpoint)
    _check_resumed([config for config in trains(configs) if config.resume is not None])
    starts = distinct(untrained(trains(configs)), lambda c: (c.init_from, c.model))
    each(starts, lambda c: f"init_from={show(c.init_from)}", _check_start)


def _check_checkpoint(config: Evaluate) -> None:
    from editmgt.editing.settings_problems import check_threshold
    from editmgt.stores.identity import edit_settings, load_editor

    editor = load_editor(config, config.checkpoint)
    values = edit_values(config)
    check_resolution(values["resolution"], editor.pixels_per_cell)
    editor.check(edit_settings(config, editor))
    asked = {name: value for name, value in values.items() if value is not None}
    check_threshold(editor.settings, asked, config_key)


def _check_start(config: Train) -> None:
    from editmgt.codec import Codec
    from editmgt.training.parts import fresh_vqvae, starting_parts, teacher_parts, texts_encoded
    from editmgt.weights import find

    model, start = config.model, config.init_from
    with contextlib.redirect_stdout(None):  # what starts fresh is said when it does
        if start is None:  # a codec's training, as `config.problems` says
            assert model.vqvae is not None
            multiple = Codec(fresh_vqvae(model.vqvae)).downsampling
        elif model.kind == "codec":
            multiple = Codec.from_pretrained(find(start)[0]).downsampling
        else:
            codec, text, transformer = starting_parts(start, model)
            if model.teacher is not None:
                teacher_parts(model.teacher, codec, text, model.train_text_encoder, texts_encoded(config))
            multiple = codec.downsampling * transformer.cell_size
    check_resolution(config.data.resolution, multiple)


def _check_resumed(configs: list[Train]) -> None:
    from editmgt.stores.identity import TRAININGS, in_another_precision, training_directory
    from editmgt.stores.trainings import LAST, state

    if not configs:
        return
    from editmgt.training.checkpoint import read_shapes

    for path in dict.fromkeys(str(config.resume) for config in configs if config.resume != "auto"):
        read_shapes(Path(path))
    asking = [config for config in configs if config.resume == "auto"]
    directories = [training_directory(config, Path()) for config in asking]
    if directories and not any(state(directory) in ("finished", "unfinished") for directory in directories):
        others = filter(None, (in_another_precision(config, Path()) for config in asking))
        other = next(
            others,
            "Leave resume out to train from the start (settings that change a training make it another one; "
            f"all are in {TRAININGS})",
        )
        raise UserError(
            f"resume=auto: there is nothing to resume, {directories[0] / LAST} does not exist. {other}."
        )


def _look_ahead(plan: Plan, composition: Composition) -> tuple[set[int], str]:
    """The blocks whose maps the cells read, and of a sweep what it is going to do."""
    from editmgt.sweeps.todo import check_old_results, outlook, shared_layers

    layers = shared_layers(composition)
    if not plan.adaptive:
        check_old_results(plan, composition)
    return layers, outlook(plan, composition) if plan.is_sweep else ""


def _unread(composition: Composition) -> list[str]:
    from editmgt.sweeps.unread import unread  # late: it loads editors

    return [] if composition.adaptive else unread(composition)  # a sweeper that chooses makes more cells


def _status(run: Callable[[], Any]) -> int:
    """Run it and return its exit status; what a user can do something about, and an interruption, is raised."""
    try:
        run()
    except SystemExit as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except (OSError, UserError):
        raise
    except Exception as error:  # a sweeper or a launcher: what goes wrong in a cell stays in it
        if os.environ.get(_FULL_ERROR) == "1":
            raise
        print(f"{on_one_line(error)} ({_FULL_ERROR}=1 shows where)", file=sys.stderr)
        return FAILED
    return 0


def _finish(plan: Plan, composition: Composition) -> int:
    from editmgt.report import build
    from editmgt.sweeps.arena import run_arena
    from editmgt.sweeps.reference import run_references
    from editmgt.sweeps.todo import cells_left
    from editmgt.sweeps.wandb_sweep import FILE, sweep_yaml
    from editmgt.tracking.tracker import log_study, study_tags, sync_hint

    plan = read_plan(plan.directory)  # a sweeper that chooses as it goes has added cells
    if not plan.cells:
        return 0  # it ended before the first, and said why
    run_references(plan, lambda text: print(text, flush=True))
    run_arena(plan, lambda text: print(text, flush=True))
    with locked(
        plan.directory / "report", lambda: print("waiting for another process, which writes the report")
    ):
        build(plan.directory)
        print(f"Report: {plan.directory / 'report' / 'report.md'}")
        config = composition.cells[0].config
        if plan.is_sweep and config.logger.name == "wandb":
            if sweep := sweep_yaml(plan, config):
                write_atomic(plan.directory / "report" / FILE, sweep)
            log_study(plan.directory, config.logger, study_tags(config))
    if hint := sync_hint(plan.directory):
        print(f"W&B was offline; to upload: {hint}")
    return FAILED if cells_left(plan) else 0


def _how_to_resume(task: str, plan: Plan, composition: Composition, arguments: Sequence[str]) -> str:
    named = plan.is_sweep or any(text.startswith("hydra.run.dir=") for text in arguments)
    here = [] if named else [f"hydra.run.dir={plan.directory}"]  # left out, it is another run's
    command = shlex.join(["python", f"{task}.py", *arguments, *here])
    if readable(SweepDirectory(plan.directory).plan) is None:
        return "Nothing had started."
    if plan.is_sweep:
        return f"The same command goes on where this stopped, finished cells are kept: {command}"
    return f"{_what_is_kept(plan, composition.cells[0].config)}: {command}"


def _what_is_kept(plan: Plan, config: Config) -> str:
    """Where a single run that is begun again goes on."""
    from editmgt.stores.identity import training_directory
    from editmgt.stores.trainings import state

    if isinstance(config, Evaluate):
        return "The same command goes on, what was edited is kept"
    found = state(training_directory(config, plan.directory))
    if found == "finished":
        return "The training is finished; the same command goes on with its evaluation"
    if found == "unfinished":
        return "The same command goes on from the training's last checkpoint"
    return "The training had no checkpoint yet; the same command starts it again"
