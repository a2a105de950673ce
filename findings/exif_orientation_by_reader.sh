#!/usr/bin/env bash
# A photograph that its EXIF data turns (Orientation 6: a telephone held upright) stands or lies, depending on who reads it, and nothing is
# said. datasets 5.2.0, diffusers 0.42.1, transformers 5.24.0 and gradio 6.31.0 turn it; Pillow 12.3.0, imageio 2.38.1,
# scikit-image 0.26.0, matplotlib 3.11.2 and wandb 0.31.0 do not, so an edit that was made of a file and a score that is taken against
# the same file disagree, and where the picture is square no shape tells. Of a TIFF Pillow turns it too, and with it matplotlib
# and wandb, but imageio and scikit-image do not. Pillow's save() drops the tag in all formats and turns nothing: a copy of the
# data set that was made smaller lies where the original stands, and so does a picture resized in memory that datasets is
# given. What helps: ImageOps.exif_transpose() in the one place where files are opened. Exits 1 if that changes.
#
# Seen (a picture 40 wide and 20 high with Orientation 6, as JPEG, PNG, WebP, TIFF):
#   Pillow: lies, lies, lies, upright
#   Pillow, exif_transpose: upright, upright, upright, upright
#   imageio: lies, lies, lies, lies
#   scikit-image: lies, lies, lies, lies
#   matplotlib: lies, lies, lies, upright
#   wandb: lies, lies, lies, upright
#   datasets: upright, upright, upright, upright
#   diffusers: upright, upright, upright, upright
#   transformers: upright, upright, upright, upright
#   gradio: upright, upright, upright, upright
#   datasets, saved again: lies, lies, lies, upright
#   datasets, resized and saved: lies, lies, lies, upright
#   datasets, exif_transpose and saved: upright, upright, upright, upright
#   datasets, of a picture in memory: upright, upright, upright, upright
#   datasets, of one in memory, resized: lies, lies, lies, upright
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --quiet --quiet --disable-pip-version-check \
    datasets==5.2.0 diffusers==0.42.1 transformers==5.24.0 gradio==6.31.0 pillow==12.3.0 imageio==2.38.1 \
    scikit-image==0.26.0 matplotlib==3.11.2 wandb==0.31.0 numpy==2.4.6 pandas==3.1.1 pyarrow==26.0.1
cat > "$work/look.py" <<'PY'
import datasets
import diffusers.utils
import gradio
import imageio.v3
import matplotlib.pyplot
import numpy as np
import skimage.io
import transformers.image_utils
import wandb
from gradio.data_classes import ImageData
from PIL import Image, ImageOps

FORMATS = ("jpg", "png", "webp", "tiff")
pixels = np.zeros((20, 40, 3), np.uint8)
pixels[:, :20] = 255, 0, 0
tag = Image.Exif()
tag[0x0112] = 6
for kind in FORMATS:
    Image.fromarray(pixels).save(f"photo.{kind}", exif=tag)

def of_datasets(given):
    table = datasets.Dataset.from_dict({"image": [given]})
    return table.cast_column("image", datasets.Image())[0]["image"]


def again(path, change):
    """As datasets reads it after Pillow has opened, changed and saved it in the same format."""
    saved = f"again{path[path.rindex('.') :]}"
    change(Image.open(path)).save(saved)
    return of_datasets(saved)


readers = {
    "Pillow": Image.open,
    "Pillow, exif_transpose": lambda path: ImageOps.exif_transpose(Image.open(path)),
    "imageio": imageio.v3.imread,
    "scikit-image": skimage.io.imread,
    "matplotlib": matplotlib.pyplot.imread,
    "wandb": lambda path: wandb.Image(path).image,
    "datasets": of_datasets,
    "diffusers": diffusers.utils.load_image,
    "transformers": transformers.image_utils.load_image,
    "gradio": lambda path: gradio.Image(type="pil").preprocess(ImageData(path=path)),
    "datasets, saved again": lambda path: again(path, lambda picture: picture),
    "datasets, resized and saved": lambda path: again(path, lambda picture: picture.reduce(2)),
    "datasets, exif_transpose and saved": lambda path: again(path, ImageOps.exif_transpose),
    "datasets, of a picture in memory": lambda path: of_datasets(Image.open(path)),
    "datasets, of one in memory, resized": lambda path: of_datasets(Image.open(path).reduce(2)),
}
for name, read in readers.items():
    said = []
    for kind in FORMATS:
        height, width = np.asarray(read(f"photo.{kind}")).shape[:2]
        said.append("upright" if height > width else "lies")
    print(f"{name}: {', '.join(said)}")
PY
export GRADIO_TEMP_DIR="$work/shown" GRADIO_ANALYTICS_ENABLED=False HF_HUB_OFFLINE=1 HF_HOME="$work/hub" WANDB_MODE=offline
(cd "$work" && venv/bin/python look.py 2> said) > "$work/seen" || { cat "$work/said"; exit 1; }
cat "$work/seen"
diff "$work/seen" <(sed -n 's/^#   //p' "$0")
