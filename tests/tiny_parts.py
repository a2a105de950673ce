"""Small real models with random weights: the released classes, a few thousand parameters each."""

import json

import torch
from diffusers.models.autoencoders.vq_model import VQModel
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, CLIPTokenizer

from editmgt.codec import Codec
from editmgt.editing import EditSettings
from editmgt.model import MGTransformer
from editmgt.text import TextEncoder

SENTENCES = ["make the red circle blue", "add a small green square to the left", "remove the large star"]
CODES, TEXT_WIDTH, POOLED_WIDTH, TEXT_LENGTH = 32, 32, 24, 16

SETTINGS = EditSettings(
    steps=3, guidance_scale=2.0, hold_threshold=0.4, layers=(1, 2, 3), single_layer=2, resolution=32
)


def train_tokenizer() -> CLIPTokenizer:
    """Train a real CLIP tokenizer on a few sentences."""
    tokenizer = CLIPTokenizer().backend_tokenizer
    marks = ["<|startoftext|>", "<|endoftext|>"]
    trainer = BpeTrainer(
        vocab_size=400,
        special_tokens=marks,
        initial_alphabet=ByteLevel.alphabet(),
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES, trainer=trainer)
    model = json.loads(tokenizer.to_str())["model"]
    merges = [tuple(merge) for merge in model["merges"]]
    return CLIPTokenizer(vocab=model["vocab"], merges=merges, model_max_length=TEXT_LENGTH)


def build_codec() -> Codec:
    """4 pixels per code."""
    vqvae = VQModel(
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(8, 8, 8),
        latent_channels=4,
        num_vq_embeddings=CODES,
        norm_num_groups=4,
        mid_block_add_attention=False,
        lookup_from_codebook=True,
    )
    torch.nn.init.normal_(vqvae.quantize.embedding.weight)  # diffusers starts with all codes nearly alike
    return Codec(vqvae).eval()


def build_text_encoder() -> TextEncoder:
    tokenizer = train_tokenizer()
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=TEXT_WIDTH,
        intermediate_size=64,
        projection_dim=POOLED_WIDTH,
        num_hidden_layers=3,
        num_attention_heads=2,
        max_position_embeddings=TEXT_LENGTH,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return TextEncoder(CLIPTextModelWithProjection(config), tokenizer).eval()


def build_transformer(**changes: object) -> MGTransformer:
    """1 double and 3 single blocks, cells of 2x2 codes, all weights random so that every input matters."""
    settings = {
        "num_layers": 1,
        "num_single_layers": 3,
        "attention_head_dim": 16,
        "num_attention_heads": 2,
        "axes_dims_rope": (4, 6, 6),
        "joint_attention_dim": TEXT_WIDTH,
        "pooled_projection_dim": POOLED_WIDTH,
        "codebook_size": CODES,
        "vocab_size": CODES + 8,
        "downsample": True,
        "upsample": True,
    }
    transformer = MGTransformer(**(settings | changes)).eval()
    for parameter in transformer.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return transformer
