"""Adapters change what they should, travel in peft's files, and merge where merging is exact."""

import json
from pathlib import Path

import pytest
import torch
from model_parts import inputs, reference, small_model
from peft import PeftModel
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from editmgt.errors import UserError
from editmgt.model import MGTransformer, lora


def adapted(stream: str, **options: object) -> MGTransformer:
    """A model with adapters that do something."""
    model = small_model()
    lora.add(model, rank=2, alpha=4.0, stream=stream, **options)  # type: ignore[arg-type]
    model.double()
    for name, parameter in model.named_parameters():
        if ".lora_B" in name:
            nn.init.normal_(parameter, std=0.3)
    return model


def edit(model: MGTransformer) -> Tensor:
    return model(*inputs(model), reference_tokens=reference(model)).logits


def draw(model: MGTransformer) -> Tensor:
    return model(*inputs(model)).logits


def test_new_adapters_change_nothing_and_alone_learn() -> None:
    model = small_model()
    before = edit(model)
    lora.add(model, rank=2, alpha=4.0)
    torch.testing.assert_close(edit(model.double()), before)  # to rounding: projections are no longer fused
    learning = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert learning and all(".lora_" in name for name in learning)
    edit(model).square().mean().backward()
    assert all(p.grad is not None for name, p in model.named_parameters() if name in learning)


@pytest.mark.parametrize("stream", ["all", "reference"])
def test_saved_alone_and_loaded_onto_the_base(tmp_path: Path, stream: str) -> None:
    model = adapted(stream)
    lora.save_adapters(model, tmp_path / "adapter")
    model.save_pretrained(tmp_path / "base")
    base = MGTransformer.from_pretrained(tmp_path / "base")
    assert torch.equal(edit(base), edit(small_model()))  # the base alone
    lora.load_adapters(base, tmp_path / "adapter")
    assert base.adapter is not None and base.adapter[1] == stream
    torch.testing.assert_close(edit(base.double()), edit(model))


def test_peft_reads_the_files(tmp_path: Path) -> None:
    model = adapted("all")
    lora.save_adapters(model, tmp_path)
    base = small_model()
    PeftModel.from_pretrained(base, str(tmp_path))
    torch.testing.assert_close(edit(base.double()), edit(model))


@pytest.mark.parametrize(
    "targets", [None, ["proj_out", "proj_mlp", "net.2", "norm.linear", "context_embedder"]]
)
def test_merging_is_exact(targets: list[str] | None) -> None:
    model = adapted("all", targets=targets)
    expected, with_adapters = edit(model), edit(small_model())
    assert not torch.allclose(expected, with_adapters)
    lora.merge(model)
    torch.testing.assert_close(edit(model), expected)
    assert model.state_dict().keys() == small_model().state_dict().keys()


def test_on_the_reference_alone_nothing_changes_without_one_and_merging_is_refused() -> None:
    model = adapted("reference")
    torch.testing.assert_close(draw(model), draw(small_model()))
    assert not torch.allclose(edit(model), edit(small_model()))
    with pytest.raises(UserError, match="cannot be merged"):
        lora.merge(model)


def test_the_reference_alone_is_what_the_adapters_see() -> None:
    """The same, spelt out: target rows go through the bare weights, reference rows through the adapted ones."""
    model = adapted("reference")
    merged, bare = adapted("all", targets=["to_q", "to_k", "to_v"]), small_model()
    merged.load_state_dict(model.state_dict())
    lora.merge(merged)
    seen: list[tuple[Tensor, Tensor]] = []
    query = model.transformer_blocks[0].attn.to_q
    query.register_forward_hook(lambda _, args, output: seen.append((args[0], output)))
    edit(model)
    [(x, output)] = seen
    cells = x.shape[1] // 2
    plain, full = (m.transformer_blocks[0].attn.to_q for m in (bare, merged))
    torch.testing.assert_close(output[:, :cells], plain(x[:, :cells]))
    torch.testing.assert_close(output[:, cells:], full(x[:, cells:]))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"stream": "references"}, "Did you mean 'reference'"),
        ({"targets": ["to_queue"]}, "'to_queue' is no linear of the transformer"),
        ({"targets": ["q"]}, "'q' is no linear"),
        ({"stream": "reference", "targets": ["to_q", "proj_out"]}, "as published, not proj_out"),
    ],
)
def test_what_cannot_be_adapted(options: dict, said: str) -> None:
    with pytest.raises(UserError, match=said):
        lora.add(small_model(), 2, 4.0, **options)


def test_adapters_of_another_model_or_broken_ones(tmp_path: Path) -> None:
    lora.save_adapters(adapted("all"), tmp_path)
    with pytest.raises(UserError, match=r"does not fit this transformer: .*single_transformer_blocks.1"):
        lora.load_adapters(small_model(num_single_layers=1), tmp_path)
    with pytest.raises(UserError, match="carries a LoRA already"):
        lora.load_adapters(adapted("all"), tmp_path)
    settings = json.loads((tmp_path / "adapter_config.json").read_text())
    for change in ({"r": 0}, {"target_modules": ["q_proj"]}):  # of a language model
        (tmp_path / "adapter_config.json").write_text(json.dumps(settings | change))
        with pytest.raises(UserError, match="cannot be read as a LoRA adapter"):
            lora.load_adapters(small_model(), tmp_path)
    (tmp_path / "adapter_config.json").write_text(json.dumps(settings))
    path = tmp_path / "adapter_model.safetensors"
    save_file(dict(list(load_file(path).items())[1:]), path)
    with pytest.raises(UserError, match=r"1 missing: base_model.model."):
        lora.load_adapters(small_model(), tmp_path)
    path.write_bytes(b"half")
    with pytest.raises(UserError, match="cannot be read as a LoRA adapter"):
        lora.load_adapters(small_model(), tmp_path)
    (tmp_path / "adapter_config.json").write_text(json.dumps({"peft_type": "IA3"}))
    with pytest.raises(UserError, match="adapter"):
        lora.load_adapters(small_model(), tmp_path)
    with pytest.raises(UserError, match="holds no adapter"):
        lora.load_adapters(small_model(), tmp_path / "nowhere")


@pytest.mark.parametrize("stream", [None, "reference"])
def test_gradients_are_equal_with_checkpointing(stream: str | None) -> None:
    model = adapted(stream) if stream else small_model()
    found = []
    for checkpointing in (False, True):
        model.gradient_checkpointing = checkpointing
        model.zero_grad()
        edit(model).square().mean().backward()
        found.append({name: p.grad for name, p in model.named_parameters() if p.grad is not None})
    assert found[0] and found[0].keys() == found[1].keys()
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


def test_checkpointing_keeps_less() -> None:
    """Bytes that the graph holds between the passes."""

    def kept(checkpointing: bool) -> int:
        model = small_model(num_single_layers=4)
        model.gradient_checkpointing = checkpointing
        held: dict[int, int] = {}

        def pack(tensor: Tensor) -> Tensor:
            held[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            edit(model)
        return sum(held.values())

    assert kept(True) < 0.5 * kept(False)
