"""What a machine and the data are asked before any work: a line each, status 2, and nothing is created."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from test_config import composed

from editmgt import prepare
from editmgt.config.schema import Edits
from editmgt.errors import UserError
from editmgt.sweeps import command
from editmgt.sweeps.checks import check_data

CONF = Path(__file__).parent.parent.parent / "conf"
Told = Callable[..., list[str]]
COLUMNS = {"source": "a", "target": "b", "instruction": "c"}
WHOLE = composed("train", "data=folder", "data.datasets.folder.path=pairs")["data"]


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Told:
    """What a command prints, called where nothing is; it must change nothing there."""

    def call(task: str, *arguments: str) -> list[str]:
        def never() -> None:
            raise AssertionError("the command went on")

        monkeypatch.chdir(tmp_path)
        before = sorted(tmp_path.rglob("*"))
        status = (
            prepare.main([*arguments]) if task == "prepare" else command.main(task, never, CONF, arguments)
        )
        printed = capsys.readouterr()
        assert status == 2 and printed.out == "", printed
        assert sorted(tmp_path.rglob("*")) == before
        return printed.err.splitlines()

    return call


def test_torchrun_is_told_how_processes_are_started(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of its processes would run the whole command."""
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    [line] = told("train", "trainer=ddp", "trainer.accelerator=cpu")
    assert line.startswith("torchrun would run this command several times") and "trainer.devices=N" in line


def test_accelerators_and_strategies_of_every_cell(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    none = [
        "trainer.accelerator=gpu trainer.devices=1: this machine has none of them; trainer=cpu trains without."
    ]
    assert told("train", "trainer=gpu") == none
    assert told("train", "-m", "trainer=cpu,gpu", "seed=0,1") == none
    [line] = told("train", "-m", "trainer.strategy=auto,fsdp")
    assert line.startswith(
        "trainer.strategy=fsdp needs a CUDA GPU, where trainer.accelerator=cpu is the CPU here."
    )


def test_a_cluster_may_have_the_gpus_that_this_machine_has_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    sweep = ["-m", "trainer=gpu", "seed=0,1", "plan=only"]
    assert command.main("train", lambda: None, CONF, [*sweep, "hydra/launcher=submitit_slurm"]) == 0
    assert command.main("train", lambda: None, CONF, [*sweep, "hydra/launcher=submitit_local"]) == 2
    assert "this machine has none of them" in capsys.readouterr().err


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_devices_of_every_cell(told: Told, tiny_bundle: Path) -> None:
    arguments = ("-m", f"checkpoint='{tiny_bundle}'", "device=cuda,cpu", "seed=0,1")
    assert told("evaluate", *arguments) == ["device=cuda is not available here."]


def test_a_resolution_that_is_not_whole_cells(told: Told, tiny_bundle: Path) -> None:
    rule = "model.resolution=7 must be a multiple of the model's 8 pixels, such as 8."
    start = (f"init_from='{tiny_bundle}'", "model.localization.layers=[1,2]", "model.resolution=7")
    assert told("train", *start) == [f"init_from={tiny_bundle}: {rule}"]
    assert told("evaluate", f"checkpoint='{tiny_bundle}'", "model.resolution=7") == [
        f"checkpoint={tiny_bundle}: {rule}"
    ]
    [line] = told("train", "experiment=tiny_codec", "model.resolution=7")
    assert "model.resolution=7 must be a multiple of the model's 4 pixels, such as 8." in line


def test_data_sets_that_cannot_be_opened(told: Told, tmp_path: Path, tiny_bundle: Path) -> None:
    (tmp_path / "table").mkdir()
    pq.write_table(
        pa.table({name: [b"x"] * 4 for name in "ab"} | {"c": ["t"] * 4}), tmp_path / "table/train.parquet"
    )
    key = "data.datasets.instructpix2pix"
    base = (
        f"init_from='{tiny_bundle}'", "model.localization.layers=[1,2]", "data=instructpix2pix", "benchmark=scenes",
        f"{key}.columns.caption=null", *(f"{key}.columns.{use}={column}" for use, column in COLUMNS.items()),
    )  # fmt: skip
    [line] = told("train", "-m", *base, f"{key}.path=nowhere", "seed=0,1")
    assert line.startswith(f"{key}.path=nowhere ")
    Path("empty").mkdir()
    [line] = told("train", *base, f"{key}.path=empty")
    assert line.endswith("doesn't contain any data files.")  # the hub has no part in it
    [line] = told("train", *base, f"{key}.path=a/repository")
    assert "HF_HUB_OFFLINE is set" in line
    [line] = told("train", *base, f"{key}.path=table", f"{key}.split=tran")
    assert "tran" in line and key in line
    [line] = told("train", *base, f"{key}.path=table", f"{key}.config=other")
    assert "other" in line and key in line
    [line] = told("train", *base[:-1], f"{key}.path=table", f"{key}.columns.instruction=d")
    assert f"{key}.columns.instruction=d" in line
    mix = [f"data.datasets.{name}.path=nowhere" for name in ("crispedit", "magicbrush")]
    lines = told("train", *base[:2], "data=mix", "benchmark=scenes", *mix)
    assert [line.split(" ")[0] for line in lines] == mix
    arguments = [text for text in base if not text.startswith("benchmark=")]
    [line] = told("prepare", *arguments, f"{key}.path=nowhere", "data.token_cache=codes")
    assert line.startswith(f"{key}.path=nowhere ")


def test_parts_and_sums_of_splits_are_opened(tmp_path: Path) -> None:
    for name in ("a", "b"):
        pq.write_table(pa.table({"x": [b"x"] * 4, "y": ["t"] * 4}), tmp_path / f"{name}-0.parquet")
    columns = dict.fromkeys(("source", "caption", "mask", "hole", "edit_type")) | {
        "target": "x",
        "instruction": "y",
    }
    (tmp_path / "README.md").write_text(
        "---\nconfigs:\n- config_name: default\n  data_files:\n"
        "  - {split: a, path: a-*.parquet}\n  - {split: b, path: b-*.parquet}\n---\n"
    )

    def data(split: str, streaming: bool) -> list[tuple[Edits, str]]:
        spec = WHOLE["datasets"]["folder"] | {"path": str(tmp_path), "split": split, "columns": columns}
        own = {"datasets": {"mine": spec}, "streaming": streaming, "cache_dir": str(tmp_path / "cache")}
        return [(Edits.model_validate(WHOLE | own), "codec")]

    check_data(data("a+b", streaming=False))
    check_data(data("a[:50%]", streaming=False))
    with pytest.raises(UserError, match=r"^data\.datasets\.mine\.path="):
        check_data(data("a+c", streaming=False))
    with pytest.raises(UserError, match=r"^data\.datasets\.mine\.path="):
        check_data(data("a[:50%]", streaming=True))


@pytest.mark.parametrize(
    ("group", "argument", "key"),
    [
        ("tiny_base", "model.transformer.num_layers=abc", "model.transformer:"),
        ("tiny_base", "model.text_encoder.num_attention_heads=5", "model.text_encoder"),
        ("tiny_codec", "model.vqvae.norm_num_groups=7", "model.vqvae"),
    ],
)
def test_sizes_that_make_no_model(
    told: Told, tiny_bundle: Path, tmp_path: Path, group: str, argument: str, key: str
) -> None:
    start = "null"
    if group == "tiny_base":  # a directory that holds a codec alone
        shutil.copytree(tiny_bundle / "vqvae", tmp_path / "codec" / "vqvae")
        start = "codec"
    [line] = told("train", f"model={group}", f"init_from={start}", argument)
    assert line.startswith(f"init_from={start}: {key} ")


def test_a_fresh_text_encoder_learns(told: Told, tiny_bundle: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_bundle / "vqvae", tmp_path / "codec" / "vqvae")
    lines = told("train", "model=tiny_base", "init_from=codec", "model.train_text_encoder=false")
    assert len(lines) == 1 and "the fresh text encoder would stay random" in lines[0]
