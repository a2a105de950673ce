"""Peak memory of one edit: ``python benchmarks/memory.py``, on an accelerator where there is one, else on the CPU.

Each row is a process of its own. On the CPU memory is resident size: ``libraries`` before any weight is read, ``loaded``
with all weights, ``peak`` the most during the edit. On an accelerator it is what PyTorch allocated there.
"""

import gc
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROW = "{:<44} {:>10} {:>10} {:>10} {:>9}"
CASES = [  # name, dtype, what becomes of the text encoder
    ("tiny_editor", "float32", "keep"),
    ("random", "float32", "keep"),
    ("random", "float32", "drop"),
    ("random", "bfloat16", "drop"),
]


def main() -> None:
    """Measure every case and print a row as it is done."""
    with tempfile.TemporaryDirectory() as folder:
        random = Path(folder) / "random"
        subprocess.run([sys.executable, __file__, "write", str(random)], check=True)
        print(ROW.format("edit, text encoder afterwards", "libraries", "loaded", "peak", "seconds"))
        for name, dtype, afterwards in CASES:
            place = str(random) if name == "random" else name
            command = [sys.executable, __file__, "measure", place, dtype, afterwards]
            run = subprocess.run(command, capture_output=True, text=True, check=True)
            label, *megabytes, seconds = json.loads(run.stdout.splitlines()[-1])
            shown = [f"{value:.0f} MB" for value in megabytes]
            print(ROW.format(f"{label}, {dtype}, {afterwards}", *shown, f"{seconds:.0f}"), flush=True)


def measure(name: str, dtype: str, afterwards: str) -> None:
    """Load an editor, edit one picture at its own resolution, two steps; print a line of JSON."""
    import torch
    from PIL import Image

    from editmgt import Editor

    device = "cuda" if torch.cuda.is_available() else "cpu"
    libraries = resident("VmRSS") if device == "cpu" else 0.0
    editor = Editor.from_pretrained(name, dtype=getattr(torch, dtype), text_encoder_afterwards=afterwards).to(
        device
    )
    gc.collect()
    parameters = sum(weight.numel() for weight in editor.transformer.parameters())
    loaded = resident("VmRSS") if device == "cpu" else torch.cuda.memory_allocated() / 2**20
    if device == "cpu":
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    else:
        torch.cuda.reset_peak_memory_stats()
    side = editor.settings.resolution
    picture = Image.effect_noise((side, side), 64).convert("RGB")
    seconds = editor.edit(picture, "make the red circle blue", steps=2, guidance_scale=4.0).seconds
    peak = resident("VmHWM") if device == "cpu" else torch.cuda.max_memory_allocated() / 2**20
    print(json.dumps([f"{parameters / 1e6:.0f} M, {side} px", libraries, loaded, peak, seconds]))


def resident(field: str) -> float:
    """A line of this process's memory, in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"this system does not tell {field}")


def write(directory: Path) -> None:
    """Write an editor of 100 M random parameters: EditMGT's parts, smaller, at 512x512, with a 100 M Gemma-2."""
    import torch
    from diffusers.models.autoencoders.vq_model import VQModel
    from transformers import (
        CLIPTextConfig,
        CLIPTextModelWithProjection,
        Gemma2Config,
        Gemma2Model,
        GemmaTokenizer,
    )

    from editmgt.codec import Codec
    from editmgt.data.scenes.vocabulary import scene_tokenizer
    from editmgt.editing import Editor, EditSettings
    from editmgt.model import MGTransformer
    from editmgt.text import LanguageModel, TextEncoder

    torch.manual_seed(0)
    levels = 5
    vqvae = VQModel(
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        block_out_channels=(32, 64, 64, 128, 128),
        latent_channels=64,
        num_vq_embeddings=8192,
        lookup_from_codebook=True,
    )
    tokenizer = scene_tokenizer(77)
    clip = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=512,
        intermediate_size=2048,
        num_hidden_layers=6,
        projection_dim=1024,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    gemma = Gemma2Config(
        vocab_size=1000,
        hidden_size=768,
        intermediate_size=3072,
        num_hidden_layers=12,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=192,
    )
    llm = LanguageModel(Gemma2Model(gemma), GemmaTokenizer())
    transformer = MGTransformer(
        num_layers=4,
        num_single_layers=14,
        attention_head_dim=128,
        num_attention_heads=4,
        joint_attention_dim=768,
        pooled_projection_dim=1024,
        downsample=True,
        upsample=True,
        connector_type="linear",
        text_encoder_architecture="CLIP_Gemma2",
    )
    settings = EditSettings(resolution=512, layers=(10, 11, 12), single_layer=11)
    text = TextEncoder(CLIPTextModelWithProjection(clip), tokenizer, llm)
    Editor(Codec(vqvae), text, transformer, settings).save_pretrained(directory)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["write", directory]:
            write(Path(directory))
        case ["measure", name, dtype, afterwards]:
            measure(name, dtype, afterwards)
        case _:
            main()
