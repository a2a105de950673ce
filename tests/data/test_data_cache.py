"""The token cache: the same batches as from pixels, made in parts, whole after a kill, refused when stale."""

import csv
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from edit_files import crispedit, data_config, encoded, picture, schemas, spec, write
from full_disk import full_disk
from hydra import compose, initialize_config_dir
from lightning.pytorch.loggers import CSVLogger
from omegaconf import OmegaConf

from editmgt.config.schema import Prepare, Train
from editmgt.data.cache import TokenCache
from editmgt.editing import Editor
from editmgt.errors import UserError
from editmgt.prepare import main, prepare
from editmgt.stores.fingerprint import training_fingerprint
from editmgt.training import train

CONF = Path(__file__).parents[2] / "conf"
MAGIC = {
    "source": "source_img",
    "target": "target_img",
    "instruction": "instruction",
    "caption": None,
    "mask": None,
    "hole": "mask_img",
    "edit_type": None,
}


@pytest.fixture(scope="module")
def datasets_(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Twelve rows without masks, one of them bad and two with one instruction; eight with masks."""
    directory = tmp_path_factory.mktemp("files")
    sources = [encoded(picture(i)) for i in range(12)]
    sources[5] = sources[5][:80]
    said = [f"make circle {i} red" for i in range(11)] + ["make circle 3 red"]
    said[2] += " and remove the small green square to the left of it"
    write(crispedit([*sources], [picture(50 + i) for i in range(12)], [*said]), directory / "crisp.parquet")
    write(schemas(8, first=20)["magicbrush"], directory / "magic.parquet")
    return {
        "crispedit": spec(directory / "crisp.parquet", ratio=3),
        "magicbrush": spec(directory / "magic.parquet", columns=MAGIC),
    }


def settings(
    bundle: Path, datasets: dict[str, dict[str, Any]], tmp_path: Path, **data: Any
) -> dict[str, Any]:
    """A training of edit datasets."""
    overrides = [
        f"init_from='{bundle}'",
        "benchmark=scenes",
        "model.resolution=32",
        "model.localization.layers=[1,2,3]",
        "model.localization.single_layer=2",
        "sampler.steps=2",
        "trainer.precision=32-true",
        "trainer.max_steps=4",
        "trainer.log_every_n_steps=1",
        "trainer.preview_size=2",
        "trainer.num_threads=1",
    ]
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        composed = OmegaConf.to_container(compose("train", overrides=overrides), resolve=True)
    config: dict[str, Any] = dict(composed)  # type: ignore[arg-type]
    changes = {"crops": 3, "flip": True} | data
    config["data"] = data_config(datasets, tmp_path / "hf", **changes)
    return config


def preparation(config: dict[str, Any], **options: Any) -> Prepare:
    """What makes the cache of a training."""
    shared = {name: config[name] for name in ("init_from", "model", "data")}
    parts = {"shard": "0/1", "part_rows": 5, "batch_size": 4, "device": "cpu"} | options
    return Prepare.model_validate({"task": "prepare", "prepare": parts, **shared})


def weights(editor: Path) -> dict[str, torch.Tensor]:
    return Editor.from_pretrained(editor).transformer.state_dict()


def losses(config: dict[str, Any], directory: Path) -> list[float]:
    logger = CSVLogger(directory, name="", version="")
    train(Train.model_validate(config), directory, logger=logger)
    with (directory / "metrics.csv").open() as file:
        return [float(row["train/loss"]) for row in csv.DictReader(file) if row["train/loss"]]


@pytest.mark.parametrize(("text_learns", "tolerance"), [(True, 0.0), (False, 2e-3)])
def test_training_from_the_cache_is_training_from_pixels(
    tiny_bundle: Path,
    datasets_: dict[str, dict[str, Any]],
    tmp_path: Path,
    text_learns: bool,
    tolerance: float,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exactly, where token ids are kept; to the rounding of bfloat16 states, where those are.

    Texts that are cut are counted before either, and once.
    """
    config = settings(tiny_bundle, datasets_, tmp_path)
    config["model"]["train_text_encoder"] = text_learns
    capsys.readouterr()
    pixels = losses(config, tmp_path / "pixels")
    counted = (
        "1 of 20 {} are longer than the 16 tokens the text encoder reads; not read of the first: 'left of it'"
    )
    assert capsys.readouterr().out.count(counted.format("texts to learn from")) == 1
    config["data"]["token_cache"] = str(tmp_path / "cache")
    prepare(preparation(config))
    assert capsys.readouterr().out.count(f"{tmp_path / 'cache'}: {counted.format('texts')}") == 1
    cached = losses(config, tmp_path / "cached")
    assert "longer than" not in capsys.readouterr().out
    assert len(pixels) == len(cached) == 4
    torch.testing.assert_close(torch.tensor(cached), torch.tensor(pixels), rtol=tolerance, atol=0)
    if text_learns:
        for name, tensor in weights(tmp_path / "pixels" / "editor").items():
            assert (weights(tmp_path / "cached" / "editor")[name] == tensor).all()
    bad = (tmp_path / "cache" / "bad_rows.csv").read_text().splitlines()
    assert (
        bad[0] == "dataset,row,reason,detail"
        and bad[1].startswith("crispedit,5,unreadable source")
        and len(bad) == 2
    )
    texts = list((tmp_path / "cache" / "texts").glob("*.json"))
    assert len(texts) == 4  # 20 sentences, 19 distinct ones, 5 a part


def test_shards_make_one_cache(
    tiny_bundle: Path,
    datasets_: dict[str, dict[str, Any]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = settings(tiny_bundle, datasets_, tmp_path, token_cache=str(tmp_path / "whole"))
    prepare(preparation(config))
    config["data"]["token_cache"] = str(tmp_path / "shared")
    for shard in ("1/2", "0/2"):
        prepare(preparation(config, shard=shard))
    told = capsys.readouterr().out.splitlines()
    assert told[-1].endswith("finished, 20 rows, 19 texts, 1 bad rows left out")
    assert "1 of 20 texts are longer" in told[-2]
    assert "parts are left to other shards" in told[-4]
    whole, shared = (
        {path.relative_to(d).as_posix(): path.read_bytes() for path in d.rglob("*") if path.is_file()}
        for d in (tmp_path / "whole", tmp_path / "shared")
    )
    assert whole == shared

    config["data"]["streaming"], config["data"]["token_cache"] = True, str(tmp_path / "streamed")
    prepare(preparation(config))
    assert {name: (tmp_path / "streamed" / name).read_bytes() for name in whole} == whole

    cache = open_cache(tmp_path / "whole")
    cache.check_rows([12, 8])
    assert cache.good_rows(0).tolist() == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11]


def open_cache(directory: Path) -> TokenCache:
    import json

    return TokenCache(directory, json.loads((directory / "facts.json").read_text()), [(8, 8)])


def test_a_killed_preparation_goes_on(
    tiny_bundle: Path, datasets_: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    config = settings(tiny_bundle, datasets_, tmp_path, token_cache=str(tmp_path / "cache"))
    made_by = preparation(config, part_rows=1)
    OmegaConf.save(OmegaConf.create(made_by.model_dump()), tmp_path / "config.yaml")
    script = (
        "import sys, time\n"
        "from omegaconf import OmegaConf\n"
        "from editmgt.config.schema import Prepare\n"
        "from editmgt.data import cache\n"
        "from editmgt.prepare import prepare\n"
        "write = cache.write_json\n"
        "cache.write_json = lambda *arguments: (write(*arguments), time.sleep(0.05))\n"
        "prepare(Prepare.model_validate(OmegaConf.to_container(OmegaConf.load(sys.argv[1]))))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "config.yaml")])
    codes = tmp_path / "cache" / "codes" / "crispedit"
    while len(list(codes.glob("*.json"))) < 3:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    made = {path: path.stat().st_mtime_ns for path in codes.glob("*.json")}
    with pytest.raises(UserError, match="is unfinished: run python"):
        open_cache(tmp_path / "cache")
    (codes / "part-00001.arrow").write_bytes(b"half")  # whatever a crash may leave
    prepare(made_by)
    after = {path: path.stat().st_mtime_ns for path in made}
    assert [path.name for path in made if made[path] != after[path]] == ["part-00001.json"]
    config["data"]["token_cache"] = str(tmp_path / "again")
    prepare(preparation(config, part_rows=1))
    for path in (tmp_path / "again").rglob("*.arrow"):
        assert (tmp_path / "cache" / path.relative_to(tmp_path / "again")).read_bytes() == path.read_bytes()


def test_a_stale_or_broken_cache_is_refused_by_name(
    tiny_bundle: Path, datasets_: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    one = {"magicbrush": datasets_["magicbrush"]}
    config = settings(tiny_bundle, one, tmp_path, token_cache=str(tmp_path / "cache"))
    with pytest.raises(UserError, match="holds no token cache: "):
        train(Train.model_validate(config), tmp_path / "run")
    prepare(preparation(config))
    for key, value, said in (
        ("resolution", 16, r"is stale: it was made with data.resolution 32 \(now 16\)\. Name another"),
        ("flip", False, r"data.flip True \(now False\)"),
        ("datasets", {"magicbrush": one["magicbrush"] | {"split": "dev"}}, "dataset magicbrush"),
    ):
        changed = config | {"data": config["data"] | {key: value}}
        if key != "datasets":
            with pytest.raises(UserError, match=said):
                train(Train.model_validate(changed), tmp_path / "run")
        else:
            with pytest.raises(UserError):
                train(Train.model_validate(changed), tmp_path / "run")
    frozen = config | {"model": config["model"] | {"train_text_encoder": False}}
    with pytest.raises(UserError, match="text encoder trains along"):
        train(Train.model_validate(frozen), tmp_path / "run")

    part = tmp_path / "cache" / "codes" / "magicbrush" / "part-00000.arrow"
    content = part.read_bytes()
    part.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
    with pytest.raises(UserError, match=r"part-00000.arrow is not what was written \(checksum\)"):
        open_cache(tmp_path / "cache").verify()
    prepare(preparation(config))
    open_cache(tmp_path / "cache").verify()
    assert part.read_bytes() == content


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], tiny_bundle: Path) -> None:
    pq.write_table(schemas(3)["anyedit"], tmp_path / "any.parquet")
    weights_ = f"init_from='{tiny_bundle}'"
    for arguments, said in (
        ([weights_, "data=scenes"], "nothing is to prepare"),
        ([weights_, "data=anyedit"], "data.token_cache=null: name the directory"),
        (
            [weights_, "data=anyedit", "data.token_cache=x", "prepare.shard=2/2"],
            "prepare.shard=2/2 must be one of 0/2",
        ),
        (
            [weights_, "data=anyedit", "data.token_cache=x", "prepare.shard=2"],
            "must be written i/n, such as 0/4",
        ),
        ([weights_, "data=folder", "data.token_cache=x"], "data.datasets.folder.path has no value"),
    ):
        assert main(arguments) == 2
        captured = capsys.readouterr()
        assert said in captured.err and captured.err.count("\n") == 1 and captured.out == "", captured
    (tmp_path / "file").touch()
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "facts.json").write_text('{"model"')
    for cache, said in (
        ("file", "file"),
        ("file/below", "Not a directory"),
        ("x" * 300, "File name too long"),
        ("damaged", "facts.json cannot be read"),
    ):
        data = ["data=anyedit", f"data.datasets.anyedit.path='{tmp_path}/*.parquet'", "model.resolution=32"]
        data += [f"data.cache_dir='{tmp_path}/hf'", f"data.token_cache='{tmp_path / cache}'"]
        assert main([weights_, *data]) == 2
        captured = capsys.readouterr()
        assert said in captured.err and captured.err.count("\n") == 1, captured
    done = main(
        [
            weights_,
            "data=anyedit",
            f"data.datasets.anyedit.path='{tmp_path}/*.parquet'",
            f"data.token_cache='{tmp_path}/cache'",
            f"data.cache_dir='{tmp_path}/hf'",
            "model.resolution=32",
            "data.min_side=8",
            "prepare.device=cpu",
        ]
    )
    captured = capsys.readouterr()
    assert done == 0, captured.err
    assert (
        captured.out.splitlines()[-1] == f"{tmp_path}/cache: finished, 3 rows, 3 texts, 0 bad rows left out"
    )


def test_a_full_disk_is_one_line_and_the_same_command_goes_on(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Full at the first file, in the copy that ``datasets`` makes, and in a part of the codes."""
    pq.write_table(schemas(8)["anyedit"], tmp_path / "any.parquet")
    command = [
        f"init_from='{tiny_bundle}'",
        "data=anyedit",
        f"data.datasets.anyedit.path='{tmp_path}/any.parquet'",
        f"data.cache_dir='{tmp_path}/hf'",
        "model.resolution=32",
        "data.min_side=8",
        "prepare.device=cpu",
        "prepare.part_rows=4",
    ]

    def run(name: str, limit: int = resource.RLIM_INFINITY) -> int:
        with full_disk(limit):
            return main([*command, f"data.token_cache='{tmp_path / name}'"])

    for limit in (0, 5_000):
        assert run("filled", limit) == 2
        captured = capsys.readouterr().err
        assert captured.count("\n") == 1 and "too large" in captured, captured
    assert run("whole") == 0
    whole = {path.name: path.read_bytes() for path in (tmp_path / "whole").rglob("*.arrow")}
    assert run("filled", len(max(whole.values(), key=len)) - 1) == 2
    assert capsys.readouterr().err.endswith("What is made stays: the same command goes on.\n")
    assert not (tmp_path / "filled" / "index.json").exists()
    assert run("filled") == 0
    for path in (tmp_path / "filled").rglob("*"):
        assert (
            path.is_dir()
            or path.read_bytes() == (tmp_path / "whole" / path.relative_to(tmp_path / "filled")).read_bytes()
        ), path


def test_a_cache_and_a_training_allow_as_many_bad_rows_of_few(
    tiny_bundle: Path, datasets_: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    config = settings(tiny_bundle, datasets_, tmp_path, max_bad_share=0.05)
    config["data"]["token_cache"] = str(tmp_path / "cache")
    prepare(preparation(config))  # 1 of 20 is bad, of a dataset of 12: less than a twentieth of a hundred
    train(Train.model_validate(config), tmp_path / "run")


def test_a_dataset_that_has_grown_elsewhere_makes_its_cache_stale(
    tiny_bundle: Path, datasets_: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    """Of data that are not on this machine the number of rows alone can tell."""
    config = settings(tiny_bundle, datasets_, tmp_path, token_cache=str(tmp_path / "cache"))
    prepare(preparation(config))
    cache = open_cache(tmp_path / "cache")
    cache.check_rows([12, 8])
    with pytest.raises(UserError, match=r"it was made with 8 rows of dataset \w+ \(now 9\)\. Name another"):
        cache.check_rows([12, 9])


def test_a_dataset_of_bad_rows_alone_is_told_before_the_first_batch(
    tiny_bundle: Path, datasets_: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    rows = crispedit([b"no picture"] * 8, [picture(i) for i in range(8)], [f"row {i}" for i in range(8)])
    datasets = {"none": spec(write(rows, tmp_path / "t.parquet")), "magicbrush": datasets_["magicbrush"]}
    changes = {"token_cache": str(tmp_path / "cache"), "max_bad_share": 1.0, "num_workers": 1}
    config = settings(tiny_bundle, datasets, tmp_path, **changes)
    prepare(preparation(config))
    with pytest.raises(UserError, match=r"^data\.datasets\.none holds no good row\.$"):
        train(Train.model_validate(config), tmp_path / "run")


def test_too_many_bad_rows_stop_however_often_it_is_run(
    tiny_bundle: Path, datasets_: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    """Each run counts its own parts: the whole is judged before the cache is finished."""
    config = settings(tiny_bundle, datasets_, tmp_path, max_bad_share=0.0)
    config["data"]["token_cache"] = str(tmp_path / "cache")
    for _ in range(20):
        with pytest.raises(UserError, match=r"rows are bad.* more than data\.max_bad_share=0\.0"):
            prepare(preparation(config))
    assert not (tmp_path / "cache" / "index.json").exists()


def test_two_processes_learn_what_one_does(
    tiny_bundle: Path, datasets_: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    """From pixels: every process reads its own rows of each batch, none lost or doubled."""
    config = settings(tiny_bundle, datasets_, tmp_path)
    config["trainer"]["max_steps"] = 2
    config["model"]["optimizer"]["eps"] = 1e-5  # at 1e-8 a gradient that is all rounding moves a weight too
    alone = train(Train.model_validate(config), tmp_path / "alone")
    config["trainer"] |= {"devices": 2, "strategy": "ddp"}
    (tmp_path / "pair").mkdir()
    OmegaConf.save(OmegaConf.create(config), tmp_path / "pair" / "config.yaml")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    run = subprocess.run(
        [*launcher, "-m", "editmgt.training.worker", str(tmp_path / "pair")],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    together = weights(tmp_path / "pair" / "editor")
    for name, tensor in weights(alone).items():
        difference = (together[name] - tensor).abs().max()
        assert difference < 2e-6, f"{name}: {difference}"


def test_a_training_is_known_by_what_its_files_hold(tiny_bundle: Path, tmp_path: Path) -> None:
    here = write(schemas(4)["crispedit"], tmp_path / "here" / "train.parquet").parent
    there = write(schemas(4)["crispedit"], tmp_path / "there" / "train.parquet").parent
    other = write(schemas(5)["crispedit"], tmp_path / "other" / "train.parquet").parent

    def fingerprint(directory: Path, **data: Any) -> str:
        config = settings(tiny_bundle, {"mine": spec(directory)}, tmp_path, **data)
        return training_fingerprint(Train.model_validate(config))

    assert fingerprint(here) == fingerprint(there, num_workers=3) == fingerprint(here, cache_dir="x")
    assert (
        len({fingerprint(here), fingerprint(other), fingerprint(here, crops=1), fingerprint(here, seed=1)})
        == 4
    )
