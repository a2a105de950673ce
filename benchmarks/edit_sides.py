"""One side of ``benchmarks/edit.py``: reads lines of JSON, times the edit that each asks for, answers with a line.

``ours`` runs in this project's environment, ``published`` in one of the released code's, whose folder is named by its
``REFERENCE`` variable. Both edit the same noise at 1024 pixels with a random transformer of 23 million parameters, in
float32, from the codec's encoder to the last code; texts are random states. An edit is ``{"variant": NAME, "steps": N}``,
ours also with ``side``, ``batch`` and ``area``; ``memory`` as a variant answers with the most resident megabytes so far, and
in place of its seconds ``"count": true`` with the operations of the edit, ``"peak": true`` with the megabytes that it took.
"""

import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from memory import resident
from PIL import Image

SIDE, THREADS, GUIDANCE, GAMMA, LAMBDA, AREA = 1024, 2, 6.0, 1.1, 0.05, 0.3
LAYERS = (6, 7, 8, 9)
TRANSFORMER: dict[str, Any] = {
    "patch_size": 1,
    "in_channels": 64,
    "num_layers": 4,
    "num_single_layers": 8,
    "attention_head_dim": 64,
    "num_attention_heads": 4,
    "joint_attention_dim": 256,
    "pooled_projection_dim": 256,
    "axes_dims_rope": (8, 28, 28),
    "vocab_size": 8256,
    "codebook_size": 8192,
    "downsample": True,
    "upsample": True,
    "text_encoder_architecture": "CLIP_Gemma2",
    "connector_type": "none",
}
BLOCKS = TRANSFORMER["num_layers"] + TRANSFORMER["num_single_layers"]
CODEC = {
    "down_block_types": ("DownEncoderBlock2D",) * 5,
    "up_block_types": ("UpDecoderBlock2D",) * 5,
    "block_out_channels": (32,) * 5,
    "layers_per_block": 1,
    "latent_channels": 16,
    "num_vq_embeddings": 8192,
    "norm_num_groups": 8,
    "vq_embed_dim": 16,
    "mid_block_add_attention": False,
    "lookup_from_codebook": True,
}


def noise(side: int) -> Image.Image:
    """Return a picture to edit."""
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8))


def inputs() -> tuple[Any, Image.Image, list[torch.Tensor]]:
    """Return a codec, a picture, and states and pooled states of the instruction and of the negative prompt."""
    from diffusers import VQModel

    torch.manual_seed(0)
    states = [torch.randn(1, 256, 256), torch.randn(1, 256), torch.randn(1, 256, 256), torch.randn(1, 256)]
    codec: Any = VQModel(**CODEC)
    return codec.eval(), noise(SIDE), states


def published() -> Callable[[str, int], None]:
    """Build the released code's pipeline; variants: plain, hold, hold_gamma."""
    sys.path.insert(0, os.environ["REFERENCE"])
    from src.pipeline import Pipeline
    from src.scheduler import Scheduler
    from src.transformer import Transformer2DModel

    codec, picture, (states, pooled, negative_states, negative) = inputs()
    transformer = Transformer2DModel(**TRANSFORMER).eval()
    pipeline = Pipeline(
        vqvae=codec,
        tokenizer=None,
        text_encoder=None,
        transformer=transformer,
        scheduler=Scheduler(mask_token_id=8255, masking_schedule="cosine"),
        tokenizer_t5=None,
        text_encoder_t5=None,
    )
    pipeline.set_progress_bar_config(disable=True)

    def edit(variant: str, steps: int) -> None:
        pipeline.attention_enable_blocks = list(LAYERS) if variant.startswith("hold") else None
        pipeline.local_guidance = LAMBDA if variant.startswith("hold") else 0
        transformer.clear_attention_hooks()
        for module in transformer.modules():
            if hasattr(module, "reference_strength_factor"):
                del module.reference_strength_factor
        pipeline(
            prompt_embeds=pooled,
            encoder_hidden_states=states,
            negative_prompt_embeds=negative,
            negative_encoder_hidden_states=negative_states,
            height=SIDE,
            width=SIDE,
            num_inference_steps=steps,
            guidance_scale=GUIDANCE,
            reference_image=[picture],
            reference_strength=GAMMA if variant.endswith("gamma") else 1.0,
            generator=torch.Generator().manual_seed(0),
            output_type="latent",
            lora_scale=1.0,
        )

    return edit


def ours() -> Callable[..., None]:
    """Build this project's side; variants: the published ones, a preset's name for an edit of a part of the picture, and parts.

    The parts: ``input`` (the source enters at the input, the sequence is as short as without one), ``gamma``, ``posterior``
    (hold by the model's own predictions) and ``hold_N`` (hold by the attention of N layers).
    """
    from editmgt.codec import Codec
    from editmgt.config.presets import presets
    from editmgt.editing import EditSettings, edit_tokens
    from editmgt.editing.images import to_pixels
    from editmgt.editing.sampler import sample_generators
    from editmgt.model import MGTransformer
    from editmgt.text import TextStates

    vqvae, _, (states, pooled, negative_states, negative) = inputs()
    codec = Codec(vqvae)

    @cache
    def transformer(mode: str) -> MGTransformer:
        return MGTransformer(**TRANSFORMER, reference_mode=mode).eval().requires_grad_(False)

    base = EditSettings(
        guidance_scale=GUIDANCE,
        reference_strength=1.0,
        region_hold=False,
        layers=LAYERS,
        single_layer=LAYERS[0],
    )
    hold: dict[str, Any] = {"region_hold": True, "hold_threshold": LAMBDA}
    variants = {
        "plain": {},
        "itself": {"reference_attends": "itself"},
        "hold": hold,
        "hold_gamma": hold | {"reference_strength": GAMMA},
        "input": {},
        "gamma": {"reference_strength": GAMMA},
        "posterior": hold | {"map_source": "posterior"},
        **{f"hold_{n}": hold | {"layers": tuple(range(BLOCKS - n, BLOCKS))} for n in range(1, BLOCKS + 1)},
        **presets("speed"),
    }

    def edit(variant: str, steps: int, side: int = SIDE, batch: int = 1, area: float = AREA) -> None:
        rows = side // codec.downsampling
        part = torch.arange(rows * rows).view(1, rows, rows) < area * rows * rows
        edit_tokens(
            transformer("input" if variant == "input" else "attention"),
            codec.encode(to_pixels(noise(side))[None]).repeat(batch, 1, 1),
            TextStates(states.repeat(batch, 1, 1), pooled.repeat(batch, 1)),
            TextStates(negative_states.repeat(batch, 1, 1), negative.repeat(batch, 1)),
            base.override(steps=steps, **variants[variant]),
            micro_conditions_B5=torch.tensor([[side, side, 0.0, 0.0, 6.0]]).repeat(batch, 1),
            randomness=sample_generators(0, [str(i) for i in range(batch)], torch.device("cpu")),
            may_change_BHW=part.repeat(batch, 1, 1) if variant in presets("speed") else None,
        )

    return edit


def operations(edit: Callable[[], None]) -> int:
    """Count those of an edit's matrix products, convolutions and attention."""
    from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

    # the counter knows the GPU's attention alone
    fused = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    mapping = {fused: lambda q, k, v, *_, **__: sdpa_flop_count(q, k, v)}
    with FlopCounterMode(display=False, custom_mapping=mapping) as counter, torch.no_grad():
        edit()  # not in inference mode, of which the counter sees nothing
    return int(counter.get_total_flops())


def peak(edit: Callable[[], None]) -> float:
    """Return how many megabytes were resident at the most during an edit, beyond what was before it."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = resident("VmRSS")
    with torch.inference_mode():
        edit()
    return resident("VmHWM") - before


def main() -> None:
    """Answer until the input ends."""
    warnings.filterwarnings("ignore")
    answers, sys.stdout = sys.stdout, sys.stderr  # libraries print
    torch.set_num_threads(THREADS)
    edit: Callable[..., None] = {"ours": ours, "published": published}[sys.argv[1]]()
    for line in sys.stdin:
        asked = json.loads(line)
        if asked["variant"] == "memory":
            answer = resident("VmHWM")
        elif asked.pop("count", False):
            answer = operations(partial(edit, **asked))
        elif asked.pop("peak", False):
            answer = peak(partial(edit, **asked))
        else:
            start = time.perf_counter()
            with torch.inference_mode():
                edit(**asked)
            answer = time.perf_counter() - start
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
