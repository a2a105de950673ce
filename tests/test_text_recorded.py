"""Hidden states of CLIP and Gemma-2 as transformers 4.47.1, the published environment's, computed them.

``golden/transformers_4.47.1`` holds tiny random models as that version saved them, token ids, and what it made of them.
"""

from pathlib import Path

import pytest
import torch
from diffusers.models.autoencoders.vq_model import VQModel
from released_parts import gemma_tokenizer
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModelWithProjection, Gemma2Model

from editmgt.codec import Codec
from editmgt.loading import load_checked
from editmgt.text import LanguageModel

# bit for bit on one machine; another CPU sums in another order
TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}


@pytest.fixture
def recorded(golden: Path) -> Path:
    return golden / "transformers_4.47.1"


def test_clips_states_are_those_recorded(recorded: Path) -> None:
    wanted = load_file(recorded / "states.safetensors")
    model = load_checked(CLIPTextModelWithProjection, recorded / "text_encoder")
    output = model(input_ids=wanted["clip_ids"], output_hidden_states=True)
    torch.testing.assert_close(output.hidden_states[-2], wanted["clip_states"], **TOLERANCE)
    torch.testing.assert_close(output.text_embeds, wanted["clip_pooled"], **TOLERANCE)


def test_gemmas_states_are_those_recorded(recorded: Path) -> None:
    wanted = load_file(recorded / "states.safetensors")
    body = load_checked(Gemma2Model, recorded / "llm_encoder", unread="lm_head.")
    reader = LanguageModel(body, gemma_tokenizer())
    with torch.no_grad():
        torch.testing.assert_close(reader(wanted["llm_ids"]), wanted["llm_states"], **TOLERANCE)


def test_older_attention_names_are_read(tmp_path: Path) -> None:
    """Codecs of before diffusers 0.18 call their attention's weights query, key, value and proj_attn."""
    torch.manual_seed(0)
    codec = Codec(
        VQModel(block_out_channels=(8,), norm_num_groups=4, num_vq_embeddings=16, lookup_from_codebook=True)
    ).eval()
    codec.save_pretrained(tmp_path)
    path = tmp_path / "vqvae" / "diffusion_pytorch_model.safetensors"
    state = load_file(path)
    older = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    renamed = {}
    for name, tensor in state.items():
        for new, old in older.items():
            name = name.replace(f".{new}.", f".{old}.") if ".attentions." in name else name
        renamed[name] = tensor
    assert sum("proj_attn" in name for name in renamed) == 4
    save_file(renamed, path, metadata={"format": "pt"})
    tokens = torch.randint(0, 16, (1, 8, 8))
    assert torch.equal(Codec.from_pretrained(tmp_path).decode(tokens), codec.decode(tokens))
