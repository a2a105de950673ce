"""Install a finished bundle among the shipped ones: ``python -m editmgt.ship DIR NAME``.

Weights are stored in half precision, which halves the package; they are computed in single precision. The codebook
alone stays as it is: rounded, a quarter of the codes would be others than those the editors have learned. The codec is
stored once, with ``tiny_base``, and linked from the editors that were trained on it; an editor of another codec keeps its own.
"""

import shutil
import sys
from pathlib import Path

from editmgt import assets
from editmgt.codec import Codec
from editmgt.editing import Editor
from editmgt.errors import UserError
from editmgt.model.io import same_weights

_CODEC, _CODEC_OWNER = "vqvae", "tiny_base"


def ship(directory: Path, name: str) -> Path:
    """Write the bundle in ``directory`` to the package's assets as ``name`` and return where."""
    editor = Editor.from_pretrained(directory)
    vqvae = editor.codec.vqvae
    around_codebook = [part for part in vqvae.children() if part is not vqvae.quantize]
    for part in (*around_codebook, editor.text_encoder, editor.transformer):
        part.half()
    destination = assets.path(name)
    shutil.rmtree(destination, ignore_errors=True)
    editor.save_pretrained(destination)
    if name != _CODEC_OWNER and _same_codec(destination, assets.path(_CODEC_OWNER)):
        shutil.rmtree(destination / _CODEC)
        (destination / _CODEC).symlink_to(Path("..") / _CODEC_OWNER / _CODEC)
    return destination


def _same_codec(one: Path, other: Path) -> bool:
    """Whether two bundles' codecs are equal, both as they are stored."""
    return same_weights(Codec.from_pretrained(one), Codec.from_pretrained(other))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python -m editmgt.ship DIR NAME")
    try:
        print(ship(Path(sys.argv[1]), sys.argv[2]))
    except UserError as error:
        sys.exit(str(error))
