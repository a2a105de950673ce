"""The released layouts load, edit, save and reload; what does not fit is told in one line."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from released_parts import LLM_LENGTH, LLM_WIDTH, copy, halve, shard, write_llm, write_released
from safetensors.torch import load_file, save_file
from test_config import composed
from tiny_parts import SETTINGS, TEXT_LENGTH
from transformers import AutoModelForCausalLM, GPT2Config, GPT2Model

from editmgt.config.schema import Model
from editmgt.editing import Editor
from editmgt.errors import UserError
from editmgt.text import LanguageModel
from editmgt.training.parts import starting_parts

KINDS = ("editmgt", "meissonic", "monetico")


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("released")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return {kind: write_released(folder / kind, kind) for kind in KINDS}


def edited(editor: Editor) -> torch.Tensor:
    blocks = np.random.default_rng(0).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    picture = Image.fromarray(blocks).resize((32, 32), Image.Resampling.NEAREST)
    settings = replace(SETTINGS, negative_prompt="blurry").to_dict()
    tokens = editor.edit(picture, "make the red circle blue", **settings).tokens
    assert isinstance(tokens, torch.Tensor)
    return tokens


@pytest.mark.parametrize("kind", KINDS)
def test_load_edit_save_reload(released: dict[str, Path], tmp_path: Path, kind: str) -> None:
    editor = Editor.from_pretrained(released[kind])
    assert editor.timestep_convention == "step_index"  # as the published weights were sampled
    assert editor.transformer.config.downsample == (kind != "monetico")
    assert editor.text_encoder.width == (LLM_WIDTH if kind == "editmgt" else 32)
    editor.save_pretrained(tmp_path)
    again = Editor.from_pretrained(tmp_path)
    assert torch.equal(edited(editor), edited(again))


def test_shards_and_variants_hold_the_same_weights(released: dict[str, Path], tmp_path: Path) -> None:
    sharded = copy(released["editmgt"], tmp_path / "sharded")
    for part in ("editmgt", "vqvae", "text_encoder", "llm_encoder"):
        shard(sharded / part)
    expected = edited(Editor.from_pretrained(released["editmgt"]))
    assert torch.equal(edited(Editor.from_pretrained(sharded)), expected)


@pytest.mark.parametrize("last", [False, True])
def test_both_names_of_a_variants_shards(released: dict[str, Path], tmp_path: Path, last: bool) -> None:
    half = copy(released["editmgt"], tmp_path / "half")
    halve(half / "editmgt")
    shard(half / "editmgt", "fp16", last)
    halve(half / "text_encoder")
    shard(half / "text_encoder", "fp16", last)  # the others have no such variant: their plain files are read
    editor = Editor.from_pretrained(f"{half}:fp16")
    whole = load_file(released["editmgt"] / "editmgt" / "diffusion_pytorch_model.safetensors")
    for key, value in editor.transformer.state_dict().items():
        assert torch.equal(value, whole[key].half().float()), key
    whole = load_file(released["editmgt"] / "text_encoder" / "model.safetensors")
    for key, value in editor.text_encoder.model.state_dict().items():
        assert torch.equal(value, whole[key].half().float()), key


def test_position_ids_in_old_text_encoders_change_nothing(released: dict[str, Path], tmp_path: Path) -> None:
    """Until 4.31 transformers wrote them into CLIP's files; they are counted, not learnt."""
    old = copy(released["meissonic"], tmp_path / "old")
    path = old / "text_encoder" / "model.safetensors"
    positions = torch.arange(load_file(path)["text_model.embeddings.position_embedding.weight"].shape[0])
    state = load_file(path) | {"text_model.embeddings.position_ids": positions[None]}
    save_file(state, path, metadata={"format": "pt"})
    expected = edited(Editor.from_pretrained(released["meissonic"]))
    assert torch.equal(edited(Editor.from_pretrained(old)), expected)


def test_a_variant_is_asked_for_by_name(released: dict[str, Path], tmp_path: Path) -> None:
    directory = copy(released["meissonic"], tmp_path / "half")
    halve(directory / "transformer", "bf16", torch.bfloat16)
    with pytest.raises(UserError, match=r"It has a variant: add ':bf16'"):
        Editor.from_pretrained(directory)
    with pytest.raises(UserError, match=r"no variant 'bf61'; it has bf16. Did you mean 'bf16'"):
        Editor.from_pretrained(f"{directory}:bf61")
    editor = Editor.from_pretrained(f"{directory}:bf16", dtype=torch.bfloat16)
    assert editor.transformer.dtype == editor.text_encoder.model.dtype == torch.bfloat16
    assert editor.codec.vqvae.dtype == torch.float32
    edited(editor)


def test_the_language_model_reads_as_published(released: dict[str, Path]) -> None:
    """Second-last states of the causal LM, left padding, no mask; CLIP gives the pooled text."""
    encoder = Editor.from_pretrained(released["editmgt"]).text_encoder
    texts = ["make the red circle blue", ""]
    ids = encoder.tokenize(texts)
    assert ids.shape == (2, TEXT_LENGTH + LLM_LENGTH)
    llm_ids = ids[:, TEXT_LENGTH:]
    tokenizer = encoder.states_tokenizer
    assert llm_ids[1].tolist() == [tokenizer.pad_token_id] * (LLM_LENGTH - 1) + [tokenizer.bos_token_id]
    published = AutoModelForCausalLM.from_pretrained(released["editmgt"] / "llm_encoder")
    with torch.no_grad():
        states, pooled = encoder(ids)
        expected = published(input_ids=llm_ids, output_hidden_states=True).hidden_states[-2]
        clip = encoder.model(input_ids=ids[:, :TEXT_LENGTH])
        masked = published(
            input_ids=llm_ids, attention_mask=(llm_ids != 0).long(), output_hidden_states=True
        ).hidden_states[-2]
    torch.testing.assert_close(states, expected)
    assert not torch.allclose(states, masked, atol=1e-2)
    torch.testing.assert_close(pooled, clip.text_embeds)
    assert not any("lm_head" in name for name in encoder.state_dict())
    long = "make the red circle blue " * 9
    assert (cut := encoder.truncated(long)) and long.strip().endswith(cut)


def change_state(path: Path, **changes: Any) -> None:
    state = load_file(path)
    save_file({**state, **changes}, path, metadata={"format": "pt"})


def lose_a_shard(directory: Path) -> None:
    shard(directory / "editmgt")
    (directory / "editmgt" / "diffusion_pytorch_model-00002-of-00002.safetensors").unlink()


def point_outside(directory: Path) -> None:
    shard(directory / "editmgt")
    index = directory / "editmgt" / "diffusion_pytorch_model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "../vqvae/diffusion_pytorch_model.safetensors"}}))


def pickles_alone(directory: Path) -> None:
    [path] = (directory / "llm_encoder").glob("*.safetensors")
    torch.save(load_file(path), path.with_name("pytorch_model.bin"))
    path.unlink()


def code_of_its_own(directory: Path) -> None:
    """A model type that only the repository's own code knows; running it would leave a file."""
    folder = directory / "llm_encoder"
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Config", "AutoModel": "own.Model"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text(f"open({str(directory / 'was_run')!r}, 'w')\n")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lose_a_shard, "names shards that are not beside it: diffusion_pytorch_model-00002-of-00002"),
        (point_outside, "names shards that are not beside it"),
        (pickles_alone, "holds no model.safetensors"),
        (code_of_its_own, "cannot be read"),
        (
            lambda d: change_state(d / "llm_encoder" / "model.safetensors", stranger=torch.zeros(1)),
            "is not the Gemma2Model its config.json says: unexpected stranger",
        ),
        (
            lambda d: change_state(d / "text_encoder" / "model.safetensors", stranger=torch.zeros(1)),
            "unexpected stranger",
        ),
        (
            lambda d: (d / "llm_encoder" / "tokenizer.json").unlink(),
            "holds no tokenizer: none of tokenizer.json",
        ),
    ],
)
def test_what_does_not_fit_is_one_line(
    released: dict[str, Path], tmp_path: Path, damage: Any, said: str
) -> None:
    directory = copy(released["editmgt"], tmp_path / "damaged")
    damage(directory)
    with pytest.raises(UserError) as caught:
        Editor.from_pretrained(directory)
    assert said in str(caught.value) and "\n" not in str(caught.value)
    assert not (directory / "was_run").exists()


def test_a_head_may_be_there_and_is_not_read(released: dict[str, Path], tmp_path: Path) -> None:
    directory = copy(released["editmgt"], tmp_path / "untied")
    change_state(directory / "llm_encoder" / "model.safetensors", **{"lm_head.weight": torch.zeros(3)})
    Editor.from_pretrained(directory)


def model(**changes: Any) -> Model:
    """What ``train.py`` composes, with ``changes``."""
    return Model.model_validate(composed("train")["model"] | {"name": "test"} | changes)


def test_a_base_becomes_an_editor_with_fresh_connector(
    released: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Meissonic's weights, a language model beside its CLIP, and nothing new but the connector."""
    write_llm(tmp_path)
    base = Editor.from_pretrained(released["meissonic"]).transformer
    wanted = base.config.to_dict() | {"connector_type": "linear", "joint_attention_dim": LLM_WIDTH}
    del wanted["_class_name"]
    meissonic, llm = str(released["meissonic"]), str(tmp_path)
    codec, text, transformer = starting_parts(meissonic, model(transformer=wanted, llm=llm))
    Editor(codec, text, transformer)
    told = capsys.readouterr().out
    assert told.startswith("Starting fresh: connector.projector.weight, connector.projector.bias; all else")
    state = transformer.state_dict()
    assert all(torch.equal(state[name], value) for name, value in base.state_dict().items())

    narrower = model(transformer=wanted | {"num_single_layers": 2}, llm=llm)
    with pytest.raises(
        UserError, match=r"does not fit model=test: \d+ unexpected: single_transformer_blocks.2"
    ):
        starting_parts(meissonic, narrower)
    with pytest.raises(UserError, match=r"text width: the transformer expects 32, the text encoder gives 40"):
        starting_parts(meissonic, model(llm=llm))


def test_a_trained_connector_is_kept(released: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    trained = Editor.from_pretrained(released["editmgt"]).transformer
    wanted = trained.config.to_dict() | {"text_encoder_architecture": "CLIP_Gemma2-raw"}
    del wanted["_class_name"]
    _, _, transformer = starting_parts(str(released["editmgt"]), model(transformer=wanted))
    assert capsys.readouterr().out == ""
    assert torch.equal(transformer.connector.projector.weight, trained.connector.projector.weight)


def test_a_language_model_must_be_a_decoder_of_the_usual_build(tmp_path: Path) -> None:
    GPT2Model(GPT2Config(n_embd=16, n_layer=1, n_head=2, vocab_size=20)).save_pretrained(tmp_path)
    with pytest.raises(UserError, match=r"GPT2Model, which is not a decoder with .layers and .norm"):
        LanguageModel.from_pretrained(tmp_path)
