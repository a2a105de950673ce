"""Training samples a second from the token cache against encoding on the fly: ``python benchmarks/token_cache.py``.

One random transformer of 100 M parameters, the published codec's shape, a frozen CLIP tower, JPEG pairs in parquet. Both
sides take turns in one process, so that other load meets both. The bar is 1.8.
"""

import argparse
import io
import statistics
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from diffusers.models.autoencoders.vq_model import VQModel
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from PIL import Image
from transformers import CLIPTextConfig, CLIPTextModelWithProjection

from editmgt.codec import Codec
from editmgt.config.schema import Edits, Prepare
from editmgt.data.edit_data import EditData
from editmgt.data.scenes.vocabulary import scene_tokenizer
from editmgt.editing import Editor, EditSettings
from editmgt.model import MGTransformer
from editmgt.prepare import prepare
from editmgt.text import TextEncoder
from editmgt.training.editor_module import EditorModule

CONF = Path(__file__).resolve().parents[1] / "conf"
BAR = 1.8


def random_editor() -> Editor:
    """An editor with random weights: 100 M in the transformer, the codec as published, CLIP of 12 layers."""
    codec = VQModel(
        down_block_types=("DownEncoderBlock2D",) * 5,
        up_block_types=("UpDecoderBlock2D",) * 5,
        block_out_channels=(128, 256, 256, 512, 768),
        layers_per_block=2,
        latent_channels=64,
        num_vq_embeddings=8192,
        mid_block_add_attention=False,
        lookup_from_codebook=True,
    )
    tokenizer = scene_tokenizer(77)
    clip = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=512,
        intermediate_size=2048,
        projection_dim=512,
        num_hidden_layers=12,
        num_attention_heads=8,
        max_position_embeddings=77,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    transformer = MGTransformer(
        num_layers=4,
        num_single_layers=10,
        attention_head_dim=64,
        num_attention_heads=9,
        axes_dims_rope=(16, 24, 24),
        joint_attention_dim=512,
        pooled_projection_dim=512,
        vocab_size=8256,
        codebook_size=8192,
        downsample=True,
        upsample=True,
        connector_type="linear",
    )
    text = TextEncoder(CLIPTextModelWithProjection(clip), tokenizer)
    settings = EditSettings(layers=(1, 2), single_layer=1)
    return Editor(Codec(codec), text, transformer, settings, timestep_convention="mask_ratio")


def write_pairs(path: Path, count: int, side: int) -> None:
    """A parquet file in CrispEdit-2M's schema."""
    random = np.random.default_rng(0)

    def picture() -> dict[str, Any]:
        coarse = Image.fromarray(random.integers(0, 256, (16, 16, 3), dtype=np.uint8))
        buffer = io.BytesIO()
        coarse.resize((side, side), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
        return {"bytes": buffer.getvalue(), "path": None}

    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = {
        "instruction": [f"make the red circle number {i} blue" for i in range(count)],
        "input_img": pa.array([picture() for _ in range(count)], image),
        "output_img": pa.array([picture() for _ in range(count)], image),
        "type": ["color"] * count,
    }
    pq.write_table(pa.table(table), path)


def main() -> None:
    """Prepare once, then time both sides in turns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resolution", type=int, default=128, help="pixels a side (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=4, help="samples a step (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="steps of each side (default: %(default)s)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        random_editor().save_pretrained(directory / "editor")
        write_pairs(directory / "pairs.parquet", 8, 512)
        overrides = [
            f"init_from='{directory}/editor'",
            "data=crispedit",
            f"data.datasets.crispedit.path='{directory}/pairs.parquet'",
            f"data.batch_size={options.batch}",
            f"data.cache_dir='{directory}/hf'",
            f"data.token_cache='{directory}/cache'",
            f"model.resolution={options.resolution}",
            "model.train_text_encoder=false",
        ]
        with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
            composed = OmegaConf.to_container(compose("prepare", overrides=overrides), resolve=True)
        config = Prepare.model_validate(composed)
        prepare(config)
        editor = Editor.from_pretrained(directory / "editor").to(options.device)
        from_pixels = config.data.model_copy(update={"token_cache": None})
        sides = {
            "encoding on the fly": _data(editor, from_pixels, directory),
            "token cache": _data(editor, config.data, directory),
        }
        _compare(editor, sides, options)


def _data(editor: Editor, data: Edits, directory: Path) -> EditData:
    made = EditData("editor", editor.codec, editor.text_encoder, data, text_learns=False, directory=directory)
    trainer: Any = SimpleNamespace(global_step=0, accumulate_grad_batches=1, global_rank=0, world_size=1)
    made.trainer = trainer
    return made


def _compare(editor: Editor, sides: dict[str, EditData], options: argparse.Namespace) -> None:
    module = EditorModule(
        editor.transformer.train(),
        editor.text_encoder,
        torch.optim.AdamW,
        resolution=options.resolution,
        train_text_encoder=False,
    ).to(options.device)
    optimizer = torch.optim.AdamW(editor.transformer.parameters(), lr=1e-5)
    batches = {name: iter(data.train_dataloader()) for name, data in sides.items()}

    def step(name: str) -> float:
        start = time.perf_counter()
        batch = {
            key: value.to(options.device) if isinstance(value, torch.Tensor) else value
            for key, value in next(batches[name]).items()
        }
        loss = module.dev_loss(sides[name].on_after_batch_transfer(batch, 0), 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if options.device != "cpu":
            torch.cuda.synchronize()
        return time.perf_counter() - start

    for name in sides:
        step(name)
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(options.rounds):
        for name in sides:
            seconds[name].append(step(name))
    million = sum(parameter.numel() for parameter in editor.transformer.parameters()) / 1e6
    print(
        f"{million:.0f} M parameters, {options.resolution}x{options.resolution} pixels, batch {options.batch}, "
        f"{options.device}, {torch.get_num_threads()} threads, {options.rounds} rounds"
    )
    for name, values in seconds.items():
        print(f"{name:20} {options.batch / statistics.median(values):8.2f} samples/s (median)")
    slow, fast = seconds.values()
    ratios = [a / b for a, b in zip(slow, fast, strict=True)]
    print(
        f"ratio {statistics.median(ratios):.2f} (median of rounds, {min(ratios):.2f} to {max(ratios):.2f}; bar {BAR})"
    )


if __name__ == "__main__":
    main()
