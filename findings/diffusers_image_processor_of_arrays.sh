#!/usr/bin/env bash
# diffusers 0.42.1: VaeImageProcessor, by which pipelines read source picture and mask, makes other numbers of an array or a tensor than of
# the same picture as a Pillow image. Bytes (uint8, as np.asarray(image) or torchvision's decode_image give them) are not divided by 255:
# the model is given -1 to 509, without an error or a warning. When it has to be resized, a Pillow image goes through Lanczos, an array
# or tensor through nearest neighbour, whatever resample= says: one-pixel lines that become grey in the one are gone in the
# other, and one and the same mask, given as the one or the other, covers other pixels. A picture of 0 to 1 with one
# value below 0 (a bicubic resize before) is taken for one of -1 to 1 and left as it is, with its whole batch: contrast is halved; of
# that alone a FutureWarning tells. What helps: give all of them as Pillow images, of the final size. Exits 1 if that changes.
#
# Seen (torch 2.14.1, Pillow 12.3.0; black and white lines of a pixel, range and mean; in full size, and shrunk to half):
#   Pillow: [-1, 1] 0 | [0, 0] 0
#   array of 0 to 1: [-1, 1] 0 | [-1, -1] -1
#   tensor of 0 to 1: [-1, 1] 0 | [-1, -1] -1
#   array, resample="bicubic": [-1, 1] 0 | [-1, -1] -1
#   array of bytes: [-1, 509] 254 | [-1, -1] -1
#   tensor of bytes: [-1, 509] 254 | [-1, -1] -1
#   two tensors, one of them once -0.001: [0, 1] 0.5 | [0, 0] 0; FutureWarning
#   a mask of 31 x 31 in 64 x 64, brought to 24 x 24: 143 pixels from Pillow, 121 from an array
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --quiet --quiet --disable-pip-version-check \
    torch==2.14.1 numpy==2.4.6 diffusers==0.42.1 pillow==12.3.0
cat > "$work/look.py" <<'PY'
import warnings

import numpy as np
import torch
from diffusers.image_processor import VaeImageProcessor
from PIL import Image

SIZE = 64
lines = np.zeros((SIZE, SIZE, 3), np.uint8)
lines[:, 1::2] = 255
fractions = (lines / 255).astype(np.float32)
tensor = torch.from_numpy(fractions).permute(2, 0, 1)[None]
below = tensor.clone()
below[0, 0, 0, 0] = -0.001


def number(value):
    return f"{float(value) + 0.0:.1f}".replace("-0.0", "0.0").removesuffix(".0")


def tell(name, picture, **options):
    processor = VaeImageProcessor(vae_scale_factor=8, **options)
    read, said = [], set()
    for size in (SIZE, SIZE // 2):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            made = processor.preprocess(picture, size, size)[..., 4:-4]  # Lanczos has a rim
        said |= {warning.category.__name__ for warning in caught}
        read.append(f"[{number(made.min())}, {number(made.max())}] {number(made.mean())}")
    print(f"{name}: {' | '.join(read)}{''.join(f'; {warning}' for warning in sorted(said))}")


tell("Pillow", Image.fromarray(lines))
tell("array of 0 to 1", fractions)
tell("tensor of 0 to 1", tensor)
tell('array, resample="bicubic"', fractions, resample="bicubic")
tell("array of bytes", lines)
tell("tensor of bytes", torch.from_numpy(lines).permute(2, 0, 1)[None])
tell("two tensors, one of them once -0.001", torch.cat([below, tensor]))

mask = np.zeros((SIZE, SIZE), np.uint8)
mask[17:48, 17:48] = 255
processor = VaeImageProcessor(do_normalize=False, do_binarize=True, do_convert_grayscale=True)
pillow, array = (int(processor.preprocess(given, 24, 24).sum()) for given in (Image.fromarray(mask), mask / 255))
print(f"a mask of 31 x 31 in 64 x 64, brought to 24 x 24: {pillow} pixels from Pillow, {array} from an array")
PY
"$work/venv/bin/python" "$work/look.py" > "$work/seen"
cat "$work/seen"
diff "$work/seen" <(sed -n 's/^#   //p' "$0")
