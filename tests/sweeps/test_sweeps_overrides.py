"""What is typed on a command line: every mistake is one line that names what was typed, before anything is composed twice."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from editmgt.errors import UserError
from editmgt.sweeps.compose import compose_all
from editmgt.sweeps.overrides import parse

CONF = Path(__file__).parent.parent.parent / "conf"
TABLE = ("data.datasets.folder.path=.", "data.token_cache=codes")


def told(task: str, *arguments: str, multirun: bool = False) -> list[str]:
    with pytest.raises(UserError) as caught:
        compose_all(CONF, task, list(arguments), multirun)
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("argument", "line"),
    [
        ("=x", "Cannot read '=x': it names no key."),
        ("=", "Cannot read '=': it names no key."),
        ("++=x", "Cannot read '++=x': it names no key."),
        ("~", "Cannot read '~': it names no key."),
        ("++", "Cannot read '++': it is not key=value."),
        ("", "Cannot read '': it is not key=value."),
        (
            "name=“x”",
            "Cannot read 'name=“x”': it is not key=value. Its quotation marks are a text's: write \" or '.",
        ),
        ("model.=1", "Cannot read 'model.=1': it is not key=value."),
        ("seed=", "seed= must be a whole number."),
        ("seed=None", "seed=None must be a whole number."),
        (
            "trainer.max_time=None",
            "must be days:hours:minutes:seconds, such as 00:00:05:00. None is written null.",
        ),
        ("name=", "name= must be letters"),
        ("init_from=", "init_from= must not be empty."),
        ("hydra.run.dir=", "hydra.run.dir= names no directory."),
        ("name='a", "needs quotes"),
        ('name="a', "needs quotes"),
        ("name='a\nb'", r"name='a\nb' must be letters"),
        ("seed=1\n", r"Cannot read 'seed=1\n': it is not key=value."),
        ("-x", "Flags come first"),
        ("~model", "~model: it cannot be left out; write model=NAME, one of editmgt_1024,"),
        ("+model=tiny", "+model=tiny: model is there already, write it without the +."),
        ("+seed=1", "+seed=1: seed is there already, write it without the +."),
        ("~seed", "seed is missing: it was deleted"),
        ("task=evaluate", "task=evaluate: task is train here and cannot be changed."),
        (
            "benchmark=[scenes,folder]",
            "benchmark=[scenes,folder] names a list: benchmark is one of anybench,",
        ),
        ("experiment=[tiny_base,tiny_editor]", "names a list"),
        ("trainer=cpuu", "trainer=cpuu must be one of cpu, ddp, eight_gpus, gpu. Did you mean 'cpu'?"),
        ("model=tny", "Did you mean 'tiny'?"),
        ("data=scnes", "Did you mean 'scenes'?"),
        ("model.hold=3", "model.hold=3 must be a group of keys."),
        ("trainer.devices=0", "trainer.devices=0 must be at least 1. Or it must be one of auto."),
        ("seed=-1", "seed=-1 must be at least 0."),
        ("seed=4294967296", "seed=4294967296 must be at most 4,294,967,295"),
        ("model.resolution=100000", "model.resolution=100000 must be at most 8,192: "),
        ("benchmark.size=1e9", "benchmark.size=1000000000.0 must be a whole number."),
        ("checkpoint=x", "Unknown key 'checkpoint'. It is a key of evaluate."),
        ("prepare.shard=0/2", "Unknown key 'prepare.shard'. It is a key of prepare."),
        ("benchmark.language=cn", "It is a key of benchmark=gedit."),
        (
            "+hydra.callbacks.x._target_=some.function",
            "hydra.callbacks.x._target_=some.function is not supported",
        ),
    ],
)
def test_one_mistake_is_one_line(argument: str, line: str) -> None:
    [found] = told("train", argument)
    assert line in found


def test_an_interval_is_for_a_sweeper_that_chooses() -> None:
    [found] = told("train", "model.hold.threshold=interval(0,1)", multirun=True)
    assert found.startswith("model.hold.threshold=interval(0,1): an interval is for a sweeper that chooses")


@pytest.mark.parametrize(
    ("argument", "line"),
    [
        ("trainer.max_steps=5", "Unknown key 'trainer.max_steps'. It is a key of train."),
        ("data=scenes", "data=scenes: evaluate takes no file of conf/data; prepare and train would."),
        ("model=tiny", "model=tiny: evaluate takes no file of conf/model; prepare and train would."),
        ("model.optimizer.lr=1", "Unknown key 'model.optimizer.lr'. It is a key of prepare and train."),
        ("hold.threshold=1", "Unknown key 'hold.threshold'. Did you mean 'model.hold.threshold'?"),
        ("+model.x._target_=torch.load", "Unknown key 'model.x._target_'."),
        ("benchmark.seed=-1", "benchmark.seed=-1 must be at least 0."),
        ("device=cuda:7", "device=cuda:7 must be one of auto, cpu, cuda. Did you mean 'cuda'?"),
    ],
)
def test_what_another_command_would_take(argument: str, line: str) -> None:
    [found] = told("evaluate", argument)
    assert found.startswith(line)


@pytest.mark.parametrize(
    ("argument", "line"),
    [
        ("=x", "Cannot read '=x': it names no key."),
        ("seed=1", "Unknown key 'seed'. It is a key of evaluate and train."),
        (
            "benchmark=scenes",
            "benchmark=scenes: prepare takes no file of conf/benchmark; evaluate and train would.",
        ),
        ("model=tny", "model=tny must be one of"),
        ("prepare.shard=x", "prepare.shard=x must be written i/n, such as 0/4."),
        ("prepare.batch_size=1000000", "prepare.batch_size=1000000 must be at most 65,536"),
        ("model.hold.threshold=nan", "model.hold.threshold=nan must be a finite number."),
        (
            "+model.optimizer.x={_target_:torch.load}",
            "model.optimizer.x._target_=torch.load: only model.optimizer",
        ),
        ("seed=1,2", "seed=1,2 names several values"),
    ],
)
def test_preparing_is_checked_alike(argument: str, line: str) -> None:
    [found] = told("prepare", argument, *TABLE)
    assert found.startswith(line)


@pytest.mark.parametrize(
    "pair",
    [
        ("seed=1", "seed=2"),
        ("model=tiny", "model=tiny_base"),
        ("seed=1", "++seed=1"),
        ("~logger.project",) * 2,
    ],
)
def test_a_key_that_is_set_twice_is_refused(pair: tuple[str, str]) -> None:
    [line] = told("train", *pair)
    assert line.endswith(f"is set 2 times, '{pair[0]}' and '{pair[1]}': leave one.")


def test_every_cell_of_a_sweep_is_checked() -> None:
    assert told("train", "model.region_hold=true,maybe", "seed=0,-1", multirun=True) == [
        "seed=-1 must be at least 0.",
        "model.region_hold=maybe must be true or false.",
    ]
    [line] = told("train", "model=tiny,tny", "seed=0,1", multirun=True)
    assert line.startswith("model=tny must be one of")
    [line] = told("train", "model.optimizer.lr=0.001,-1", multirun=True)
    assert line.startswith("model.optimizer.lr=-1 is refused by AdamW")
    assert told("train", "seed=range(1,0)", multirun=True) == ["seed=range(1,0) names no value."]
    [line] = told("train", "model=glob(tiny*)", multirun=True)
    assert "glob() is not supported" in line


@pytest.mark.parametrize(
    "group", ["experiment=tiny_codec", "debug=smoke", "metrics=perceptual", "logger=none"]
)
def test_every_group_can_be_chosen(group: str) -> None:
    [cell] = compose_all(CONF, "train", [group], multirun=False).cells
    assert cell.overrides == (group,)


@pytest.mark.parametrize(
    ("argument", "multirun", "line"),
    [
        ("hydra.run.dir=x", True, "hydra.run.dir=x: with -m the directory is named by hydra.sweep.dir."),
        (
            "hydra.sweep.dir=x",
            False,
            "hydra.sweep.dir=x: without -m the directory is named by hydra.run.dir.",
        ),
        ("hydra.sweep.subdir=x", True, "hydra.sweep.subdir=x is not supported: cells name"),
        ("hydra.job.chdir=true", False, "hydra.job.chdir=true is not supported: cells name"),
    ],
)
def test_hydras_directories(argument: str, multirun: bool, line: str) -> None:
    """What would be read by nobody, or lead a cell away from its plan."""
    [found] = told("evaluate", argument, multirun=multirun)
    assert found.startswith(line)


def test_a_callback_that_writes_to_a_logger_needs_one() -> None:
    rates = "+callbacks.rate._target_=lightning.pytorch.callbacks.LearningRateMonitor"
    [line] = told("train", rates, "logger=none")
    assert line.startswith(
        "callbacks.rate=lightning.pytorch.callbacks.LearningRateMonitor writes to a logger"
    )


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (["seed", "=", "1"], ["Cannot read 'seed = 1': write it without spaces, seed=1"]),
        (["seed=", "1"], ["Cannot read 'seed= 1': write it without spaces, seed=1"]),
        (["seed", "=1", "x"], ["Cannot read 'seed =1': write", "Cannot read 'x': it is not key=value."]),
        (["seed=1,", "2,", "3"], ["Cannot read 'seed=1, 2, 3': write it without spaces, seed=1,2,3"]),
        (["name=", "seed=1"], ["name= must be letters"]),
        (["name=", "~model.optimizer.betas"], ["name= must be letters"]),
        (["data=folder"], ["benchmark.path has no value", "data.datasets.folder.path has no value"]),
    ],
)
def test_spaces_and_all_that_is_missing(arguments: list[str], lines: list[str]) -> None:
    said = told("train", *arguments)
    assert len(said) == len(lines)
    assert all(line.startswith(start) for line, start in zip(said, lines, strict=True)), said


def test_several_callbacks_go_together() -> None:
    [cell] = compose_all(CONF, "train", ["callbacks=[default,ema]"], multirun=False).cells
    assert [*(cell.config.callbacks or ())] == ["ema"]


@given(st.text(max_size=12))
def test_whatever_is_typed_is_read_or_told_in_one_line(argument: str) -> None:
    try:
        [override] = parse([argument])
    except UserError as error:
        assert len(str(error).splitlines()) == 1 and str(error).startswith("Cannot read ")
    else:
        assert override.key_or_group
