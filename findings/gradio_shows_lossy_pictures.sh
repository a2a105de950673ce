#!/usr/bin/env bash
# gradio 6.31.0: what an Image component shows is not the picture that the function returned. An array or a Pillow image is stored as WebP
# with loss, at Pillow's default quality of 80, even a PNG that was only opened and handed on; that file is what the browser gets, what
# is downloaded, and what the next function is given. So results that were collected from a demo differ from the source in
# nearly all pixels, outside the mask too, and an editor of several turns that changes nothing loses a little at every turn. Gallery,
# ImageEditor, ImageSlider and AnnotatedImage do the same. A path is handed on as it is. Floats may be from -1 to 1, says the
# error that others get, but all below 0 becomes black: a model's range of -1 to 1 loses its dark half without an error.
# What helps: format="png" in each component, and x / 2 + .5. Exits 1 if that changes.
#
# Seen (Pillow 12.3.0; PSNR to the picture that was returned, and the share of pixels that differ):
#   Image, array: webp, 26 dB, 100 %
#   Image, array, after 5 turns: webp, 24 dB, 100 %
#   Image, opened PNG: webp, 26 dB, 100 %
#   Image, path of the PNG: png, inf dB, 0 %
#   Image, format="png": png, inf dB, 0 %
#   Image, format="png", after 5 turns: png, inf dB, 0 %
#   Gallery, array: webp, 26 dB, 100 %
#   ImageEditor, array: webp, 26 dB, 100 %
#   ImageSlider, array: webp, 26 dB, 100 %
#   AnnotatedImage, array: webp, 26 dB, 100 %
#   floats of 0, 1/4, 1/2, 3/4, 1: [0, 64, 128, 191, 255]
#   floats of -1, -1/2, 0, 1/2, 1: [0, 0, 0, 128, 255]
#   floats of 0 and 2: ValueError: Images of type float must be between -1 and 1.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --quiet --quiet --disable-pip-version-check \
    gradio==6.31.0 pillow==12.3.0 numpy==2.4.6
cat > "$work/look.py" <<'PY'
from pathlib import Path

import gradio as gr
import numpy as np
from gradio.data_classes import ImageData
from PIL import Image

y, x = np.mgrid[:256, :256]
noise = np.random.default_rng(0).normal(0, 4, (256, 256, 3))
picture = np.clip(np.stack([x, y, 255 - (x + y) // 2], -1) + noise, 0, 255).astype(np.uint8)
picture[96:160, 96:160] = 220, 30, 30
picture[::16] = 20
Image.fromarray(picture).save("picture.png")


def read(path):
    return np.asarray(Image.open(path).convert("RGB"))


def tell(name, path):
    off = read(path).astype(float) - picture
    with np.errstate(divide="ignore"):
        psnr = 10 * np.log10(255**2 / (off**2).mean())
    print(f"{name}: {Path(path).suffix[1:]}, {psnr:.0f} dB, {off.any(-1).mean():.0%}".replace("%", " %"))


def turns(component, number):
    shown = picture
    for _ in range(number):
        path = component.postprocess(shown).path
        shown = component.preprocess(ImageData(path=path))
    return path


tell("Image, array", turns(gr.Image(), 1))
tell("Image, array, after 5 turns", turns(gr.Image(), 5))
tell("Image, opened PNG", gr.Image().postprocess(Image.open("picture.png")).path)
tell("Image, path of the PNG", gr.Image().postprocess("picture.png").path)
tell('Image, format="png"', turns(gr.Image(format="png"), 1))
tell('Image, format="png", after 5 turns', turns(gr.Image(format="png"), 5))
tell("Gallery, array", gr.Gallery().postprocess([picture]).root[0].image.path)
tell("ImageEditor, array", gr.ImageEditor().postprocess(picture).background.path)
tell("ImageSlider, array", gr.ImageSlider().postprocess((picture, picture)).root[1].path)
tell("AnnotatedImage, array", gr.AnnotatedImage().postprocess((picture, [])).image.path)


def grey(*values):
    row = np.repeat(np.array([[values]]).transpose(0, 2, 1), 3, -1)
    try:
        return read(gr.Image(format="png").postprocess(row).path)[0, :, 0].tolist()
    except ValueError as error:
        return f"ValueError: {error}"


print("floats of 0, 1/4, 1/2, 3/4, 1:", grey(0.0, 0.25, 0.5, 0.75, 1.0))
print("floats of -1, -1/2, 0, 1/2, 1:", grey(-1.0, -0.5, 0.0, 0.5, 1.0))
print("floats of 0 and 2:", grey(0.0, 2.0))
PY
cd "$work"
GRADIO_TEMP_DIR="$work/shown" GRADIO_ANALYTICS_ENABLED=False HF_HUB_OFFLINE=1 "$work/venv/bin/python" "$work/look.py" > "$work/seen"
cat "$work/seen"
cd "$OLDPWD"
diff "$work/seen" <(sed -n 's/^#   //p' "$0")
