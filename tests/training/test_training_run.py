"""Real trainings, a few steps long: learning, resuming, switches, several processes."""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch.utilities import rank_zero_only
from small_training import HANGS, configuration, recipe, stop_after, train, weights

from editmgt.config.schema import Train
from editmgt.data.order import Share
from editmgt.data.scene_tokens import TokenBatches, tokenized
from editmgt.data.scenes import SceneDataset
from editmgt.editing import Editor
from editmgt.errors import UserError
from editmgt.training import LAST, LOG
from editmgt.training import run as training_run
from editmgt.training.editor_module import EditorModule
from editmgt.training.parts import starting_parts, teacher_parts
from editmgt.training.worker import LineLogger


@pytest.mark.parametrize(
    ("way", "mode"),
    [
        ({}, "attention"),
        ({"reference_attends": "itself"}, "attention"),
        ({"attention_injection": False}, "input"),
        ({"attention_injection": False, "injection_fallback": "none"}, "none"),
    ],
)
def test_every_way_of_injection_trains(
    tiny_bundle: Path, tmp_path: Path, way: dict[str, Any], mode: str
) -> None:
    config = configuration(tiny_bundle, tmp_path / "cache", max_steps=1)
    config["model"] |= way
    finished = train(config, tmp_path / "run")
    editor = Editor.from_pretrained(finished)
    assert editor.transformer.config.reference_mode == mode
    assert editor.settings.reference_attends == way.get("reference_attends", "everything")
    before, after = weights(tiny_bundle), weights(finished)
    assert any((before[name] != after[name]).any() for name in before)


def test_an_interrupted_training_resumes_to_the_same_weights(tiny_bundle: Path, tmp_path: Path) -> None:
    config = configuration(tiny_bundle, tmp_path / "cache")
    whole = train(config, tmp_path / "whole")
    # The schedule needs the run's full length, so the first half is a whole run whose checkpoints are cut back.
    checkpoint = stop_after(config, tmp_path / "half", steps=2)
    resumed = train(config, tmp_path / "half", resume=checkpoint)
    for name, tensor in weights(whole).items():
        torch.testing.assert_close(weights(resumed)[name], tensor, msg=name)


def test_a_training_that_is_killed_twice_within_a_step_resumes_to_the_same_weights(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    """Lightning writes its first checkpoint after a resume when one of a step's batches is done."""
    config = configuration(tiny_bundle, tmp_path / "cache", accumulate_grad_batches=2)
    whole = weights(train(config, tmp_path / "whole"))
    checkpoint = stop_after(config, tmp_path / "half", steps=2)
    stop_after(config, tmp_path / "half", steps=2, resume=checkpoint)
    resumed = weights(train(config, tmp_path / "half", resume=checkpoint))
    assert all(torch.equal(resumed[name], tensor) for name, tensor in whole.items())


def test_a_checkpoint_of_another_architecture_is_refused(tiny_bundle: Path, tmp_path: Path) -> None:
    config = configuration(tiny_bundle, tmp_path / "cache", max_steps=1)
    train(config, tmp_path / "attention")
    config["model"]["attention_injection"] = False
    checkpoint = tmp_path / "attention" / LAST
    with pytest.raises(UserError) as refused:
        train(config, tmp_path / "input", resume=checkpoint)
    said = str(refused.value)
    assert (
        said.startswith(f"resume={checkpoint} is the checkpoint of another training: ") and "\n" not in said
    )
    assert "is not there" in said


def test_a_checkpoint_whose_optimiser_has_other_groups_is_refused(tiny_bundle: Path, tmp_path: Path) -> None:
    """As one that was made when other weights decayed."""
    config = configuration(tiny_bundle, tmp_path / "cache", max_steps=1)
    train(config, tmp_path / "run")
    checkpoint = tmp_path / "run" / LAST
    stored = torch.load(checkpoint, weights_only=True)
    decayed, kept = (group["params"] for group in stored["optimizer_states"][0]["param_groups"])
    kept.append(decayed.pop())
    torch.save(stored, checkpoint)
    with pytest.raises(
        UserError, match=r"is the checkpoint of another training: its optimiser has groups of \["
    ):
        train(config, tmp_path / "run", resume=checkpoint)


def test_a_checkpoint_of_another_optimiser_is_refused(tiny_bundle: Path, tmp_path: Path) -> None:
    config = configuration(tiny_bundle, tmp_path / "cache", max_steps=1)
    train(config, tmp_path / "run")
    config["model"]["optimizer"] = {"_target_": "torch.optim.SGD", "lr": 0.1}
    said = "is the checkpoint of another training: its optimiser was no SGD: it has no dampening."
    with pytest.raises(UserError, match=said):
        train(config, tmp_path / "run", resume=tmp_path / "run" / LAST)


def test_a_schedulers_tasks_are_not_the_trainings_processes(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a job of SLURM with several tasks, each may run cells of a sweep."""
    for name, value in (("NTASKS", "4"), ("PROCID", "1"), ("JOB_NAME", "sweep"), ("JOB_ID", "7")):
        monkeypatch.setenv(f"SLURM_{name}", value)
    monkeypatch.setattr(
        rank_zero_only, "rank", 1
    )  # as Lightning reads it of SLURM_PROCID when it is imported
    config = Train.model_validate(
        configuration(tiny_bundle, tmp_path / "cache", max_steps=1, log_every_n_steps=1)
    )
    training_run.train(config, tmp_path / "run", logger=LineLogger(tmp_path / LOG))
    assert "train/loss" in (tmp_path / LOG).read_text()


def test_who_is_taught_by_itself_has_nothing_to_learn(tiny_bundle: Path, tmp_path: Path) -> None:
    """The teacher's predictions are what is learnt, whatever the codes are."""
    config = configuration(tiny_bundle, tmp_path / "cache", max_steps=2)
    config["model"]["teacher"] = str(tiny_bundle)
    config["model"]["optimizer"] |= {"_target_": "torch.optim.SGD", "lr": 0.1}
    taught = train(config, tmp_path / "taught")
    before, after = weights(tiny_bundle), weights(taught)
    assert all(torch.allclose(before[name], after[name], atol=1e-7) for name in before)
    config["model"]["teacher"] = None
    after = weights(train(config, tmp_path / "alone"))
    assert not all(torch.allclose(before[name], after[name], atol=1e-4) for name in before)


@pytest.mark.parametrize("learns", [{"transformer", "text_encoder"}, {"transformer"}])
def test_a_teacher_is_in_no_checkpoint_and_teaches_on_after_one(
    tiny_bundle: Path, tmp_path: Path, learns: set[str]
) -> None:
    """Nor is the text encoder that both read with, where it is frozen."""
    config = configuration(tiny_bundle, tmp_path / "cache")
    config["model"] |= {"teacher": str(tiny_bundle), "reference_attends": "itself"}
    config["model"]["train_text_encoder"] = "text_encoder" in learns
    whole = train(config, tmp_path / "whole")
    checkpoint = stop_after(config, tmp_path / "half", steps=2)
    stored = torch.load(checkpoint, weights_only=True)["state_dict"]
    assert {name.split(".")[0] for name in stored} == learns
    resumed = train(config, tmp_path / "half", resume=checkpoint)
    for name, tensor in weights(whole).items():
        torch.testing.assert_close(weights(resumed)[name], tensor, msg=name)


def test_a_teacher_reads_with_its_own_text_encoder_where_that_is_another(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    """To learn from oneself under another's text encoder is to learn something else than from the codes' own."""
    taught = train(configuration(tiny_bundle, tmp_path / "cache", max_steps=2), tmp_path / "other")
    model = Train.model_validate(configuration(tiny_bundle, tmp_path / "cache")).model
    codec, text, _ = starting_parts(str(tiny_bundle), model)
    assert teacher_parts(str(tiny_bundle), codec, text, False, False)[1] is text
    own = teacher_parts(str(taught), codec, text, False, False)[1]  # whose text encoder has learnt
    assert own is not text
    assert all(
        torch.equal(own.state_dict()[name], tensor)
        for name, tensor in Editor.from_pretrained(taught).text_encoder.state_dict().items()
    )
    assert teacher_parts(str(tiny_bundle), codec, text, True, False)[1] is not text
    with pytest.raises(
        UserError, match=r"has another text encoder than init_from, and data\.token_cache holds"
    ):
        teacher_parts(str(taught), codec, text, False, True)


def test_a_teacher_of_other_time_steps_is_refused(tiny_bundle: Path, tmp_path: Path) -> None:
    other = shutil.copytree(tiny_bundle, tmp_path / "released")
    scheduler = other / "scheduler" / "scheduler_config.json"
    scheduler.write_text(
        json.dumps(json.loads(scheduler.read_text()) | {"timestep_convention": "step_index"})
    )
    config = configuration(tiny_bundle, tmp_path / "cache")
    config["model"]["teacher"] = str(other)
    with pytest.raises(UserError, match="was trained with step_index for time steps"):
        train(config, tmp_path / "run")


def test_a_teacher_of_other_codes_is_refused(tiny_bundle: Path, tmp_path: Path) -> None:
    config = configuration(tiny_bundle, tmp_path / "cache")
    config["model"]["teacher"] = "tiny_editor"
    with pytest.raises(UserError, match=r"model\.teacher=tiny_editor has another codec than init_from"):
        train(config, tmp_path / "run")


def test_callbacks_of_the_configuration_take_part(tiny_bundle: Path, tmp_path: Path) -> None:
    config = configuration(tiny_bundle, tmp_path / "cache", max_steps=2)
    plain = weights(train(config, tmp_path / "plain"))
    config["callbacks"] = {
        "ema": {"_target_": "lightning.pytorch.callbacks.EMAWeightAveraging", "decay": 0.999}
    }
    averaged = weights(train(config, tmp_path / "averaged"))
    assert any((plain[name] != averaged[name]).any() for name in plain)
    config["callbacks"] = {"odd": {"_target_": "lightning.pytorch.callbacks.timer.timedelta"}}
    with pytest.raises(
        ValueError, match=r"callbacks.timer.timedelta is not one of lightning.pytorch.callbacks."
    ):
        train(config, tmp_path / "odd")


def test_a_running_mean_of_what_learns_resumes(tiny_bundle: Path, tmp_path: Path) -> None:
    config = configuration(tiny_bundle, tmp_path / "cache")
    config["model"]["train_text_encoder"] = False
    config["callbacks"] = {
        "ema": {"_target_": "lightning.pytorch.callbacks.EMAWeightAveraging", "decay": 0.5}
    }
    whole = train(config, tmp_path / "whole")
    checkpoint = stop_after(config, tmp_path / "half", steps=2)
    stored = torch.load(checkpoint, weights_only=True)
    for weights_of in ("state_dict", "current_model_state"):
        assert stored[weights_of] and all(name.startswith("transformer.") for name in stored[weights_of])
    resumed = weights(train(config, tmp_path / "half", resume=checkpoint))
    for name, tensor in weights(whole).items():
        torch.testing.assert_close(resumed[name], tensor, msg=name)


@pytest.mark.parametrize("begins", [{"update_starting_at_step": 3}, {"update_every_n_steps": 3}])
def test_a_training_that_ends_before_its_running_mean_keeps_what_it_learnt(
    tiny_bundle: Path, tmp_path: Path, begins: dict[str, int], capsys: pytest.CaptureFixture[str]
) -> None:
    """Early stopping ends it, as a clock may; the mean is then of no step, or of the first alone."""
    config = configuration(tiny_bundle, tmp_path / "cache", max_steps=4, val_check_interval=2)
    kind = "lightning.pytorch.callbacks"
    stop = {"_target_": f"{kind}.EarlyStopping", "monitor": "dev/loss", "stopping_threshold": 1e6}
    config["callbacks"] = {"stop": stop}
    trained = weights(train(config, tmp_path / "alone"))
    config["callbacks"]["ema"] = {"_target_": f"{kind}.EMAWeightAveraging", "decay": 0.999, **begins}
    averaged = weights(train(config, tmp_path / "averaged"))
    assert "ended at step 2, before its running mean of weights" in capsys.readouterr().out
    assert all(torch.equal(trained[name], tensor) for name, tensor in averaged.items())


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_dropout_reaches_the_model_at_its_inputs(tiny_editor: Editor, probability: float) -> None:
    """With p=1 the text encoder reads nothing but the empty text; with p=0 only the instructions."""
    module = EditorModule(
        tiny_editor.transformer,
        tiny_editor.text_encoder,
        lambda groups: torch.optim.SGD(groups, lr=0.1),
        pixels_per_code=4,
        recipe=recipe(condition_dropout=probability),
    )
    seen: list[torch.Tensor] = []
    handle = module.text_encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    ids = module.text_encoder.tokenize(["remove the star", "make it blue"])
    grid = torch.zeros(2, 8, 8, dtype=torch.long)
    batch = {"input_ids": ids, "target_tokens": grid, "source_tokens": grid}
    module.log = lambda *_args, **_kwargs: None  # type: ignore[method-assign]
    module._trainer = SimpleNamespace(global_step=0, accumulate_grad_batches=1)  # type: ignore[assignment]
    module.training_step(batch | {"index": torch.arange(2), "global_size": torch.tensor(2)}, 0)
    handle.remove()
    expected = module.empty_ids.expand(2, -1) if probability else ids
    assert (seen[0] == expected).all()


def test_weights_decay_but_for_vectors_and_embeddings(tiny_editor: Editor) -> None:
    """A linear on the way to one, such as the ``context_embedder``, is no embedding."""
    module = EditorModule(
        tiny_editor.transformer,
        tiny_editor.text_encoder,
        lambda groups: torch.optim.SGD(groups, lr=0.1, weight_decay=0.5),
        pixels_per_code=4,
        recipe=recipe(),
    )
    module._trainer = SimpleNamespace(estimated_stepping_batches=2)  # type: ignore[assignment]
    groups = module.configure_optimizers()["optimizer"].param_groups
    decayed = {id(weight) for group in groups if group["weight_decay"] for weight in group["params"]}
    kept = {name for name, weight in module.named_parameters() if id(weight) not in decayed}
    assert {name for name in kept if module.get_parameter(name).ndim > 1} == {
        "transformer.embed.embeddings.weight",
        "text_encoder.model.text_model.embeddings.token_embedding.weight",
        "text_encoder.model.text_model.embeddings.position_embedding.weight",
    }


def test_batches_depend_on_seed_and_step_alone_and_ranks_share_them() -> None:
    tensors = {"input_ids": torch.arange(10)[:, None]}
    whole = [
        batch["input_ids"].flatten()
        for batch, _ in zip(TokenBatches(tensors, 0, Share(4)), range(5), strict=False)
    ]
    later = next(iter(TokenBatches(tensors, 0, Share(4, 3))))["input_ids"].flatten()
    assert (later == whole[3]).all()
    parts = [
        next(iter(TokenBatches(tensors, 0, Share(4, 3, rank, 2))))["input_ids"].flatten() for rank in (0, 1)
    ]
    assert (torch.stack(parts, dim=1).flatten() == whole[3]).all()
    epoch = torch.cat(whole)[:10]
    assert sorted(epoch.tolist()) == list(range(10))


def test_the_token_cache_is_made_once_and_follows_the_codec(tiny_editor: Editor, tmp_path: Path) -> None:
    scenes = SceneDataset("train", size=4, resolution=32)
    parts = (tiny_editor.codec, tiny_editor.text_encoder, "editor", tmp_path)
    first, again = tokenized(scenes, *parts), tokenized(scenes, *parts)
    assert all((first[name] == again[name]).all() for name in first)
    assert len(list(tmp_path.glob("*.safetensors"))) == 1
    pixels = torch.from_numpy(scenes[2].target).permute(2, 0, 1)[None] / 255
    assert (first["target_tokens"][2] == tiny_editor.codec.encode(pixels)[0]).all()
    tokenized(SceneDataset("train", size=3, resolution=32), *parts)
    assert len(list(tmp_path.glob("*.safetensors"))) == 2


def dev_loss(log: Path) -> float:
    lines = [json.loads(line)["metrics"] for line in log.read_text().splitlines()]
    [found] = [metrics["dev/loss"] for metrics in lines if "dev/loss" in metrics]
    return float(found)


def test_two_processes_learn_what_one_does(tiny_bundle: Path, tmp_path: Path) -> None:
    """The same global batch on two gloo processes: other masks on each rank, the same weights and dev loss in the end.

    The first of them alone tells how far they are.
    """
    from omegaconf import OmegaConf

    config = configuration(tiny_bundle, tmp_path / "cache", max_steps=2, val_check_interval=2)
    config["data"]["batch_size"] = 10  # 256 dev scenes are not a multiple of it
    # Adam divides by the gradient's size: at its eps of 1e-8 a gradient that is all rounding moves a weight as far
    # as any other does, and the two sides round differently.
    config["model"]["optimizer"]["eps"] = 1e-5
    alone = train(config, tmp_path / "alone", logger=LineLogger(tmp_path / "alone.jsonl"))
    script = tmp_path / "worker.py"
    script.write_text(
        "import os, sys\n"
        "from pathlib import Path\n"
        "from editmgt.training import step_lines, worker\n"
        "step_lines.PAUSE = 0.01\n"
        "step_lines.print = lambda text, **_: print(f'{os.environ[\"RANK\"]}: {text}')\n"
        "sys.exit(worker.run(Path(sys.argv[1])))\n"
    )
    pair = tmp_path / "pair"
    pair.mkdir()
    config["trainer"] |= {"devices": 2, "strategy": "ddp"}
    OmegaConf.save(OmegaConf.create(config), pair / "config.yaml")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", f"--master-port={port}"]
    run = subprocess.run(
        [*command, script, pair],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    told = [line for line in run.stdout.splitlines() if "training: step" in line]
    assert any("training: step 2 of 2, loss" in line for line in told)
    assert all(line.startswith("0: ") for line in told)
    one, two = (dev_loss(path) for path in (tmp_path / "alone.jsonl", pair / LOG))
    assert one == pytest.approx(two, rel=1e-5)
    together = weights(pair / "editor")
    for name, tensor in weights(alone).items():
        difference = (together[name] - tensor).abs().max()
        assert difference < 2e-6, f"{name}: {difference}"


def test_scenes_that_two_processes_need_are_rendered_by_one(tiny_bundle: Path, tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from editmgt.data.scenes import SceneDataset\n"
        "from editmgt.data.scene_tokens import tokenized\n"
        "from editmgt.editing import Editor\n"
        "editor = Editor.from_pretrained(sys.argv[1])\n"
        "scenes = SceneDataset('train', size=300, resolution=32)\n"
        "tokenized(scenes, editor.codec, editor.text_encoder, 'editor', Path(sys.argv[2]))\n"
    )
    command = [sys.executable, "-c", script, str(tiny_bundle), str(tmp_path)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = "".join(process.communicate(timeout=HANGS)[0] for process in processes)
    assert [process.returncode for process in processes] == [0, 0]
    assert said.count("rendering 300 train scenes, once") == 1
