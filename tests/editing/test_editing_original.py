"""A picture stays itself: its profile, transparency, depth and, outside an edit, every bit."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from icc_profiles import ADOBE_GAMMA, ADOBE_XYZ, adobe_rgb, grey_of_gamma
from PIL import Image, ImageCms

from editmgt.editing import Editor, edit_command
from editmgt.editing.images import upright_rgb
from editmgt.editing.original import Original
from editmgt.editing.picture_files import decode_image

SIZE = (48, 40)
D50_TO_SRGB = np.array(
    [
        [3.1338561, -1.6168667, -0.4906146],
        [-0.9787684, 1.9161415, 0.0334540],
        [0.0719453, -0.2289914, 1.4052427],
    ]
)


def noise(mode: str, seed: int = 0) -> Image.Image:
    """Blocks of random values, every channel of them, and so half-transparent pixels of any colour."""
    channels = len(Image.new(mode, (1, 1)).getbands())
    values = np.random.default_rng(seed).integers(0, 256, (5, 6, channels), dtype=np.uint8)
    blocks = values.repeat(8, axis=0).repeat(8, axis=1)
    if channels == 1:
        return Image.fromarray(blocks[..., 0])
    bands = [Image.fromarray(np.ascontiguousarray(blocks[..., i])) for i in range(channels)]
    return Image.merge(mode, bands)


def deep_grey() -> Image.Image:
    values = np.random.default_rng(1).integers(0, 65536, SIZE[::-1], dtype=np.uint16)
    return Image.fromarray(values)


def deep_colour_png(side: int = 40) -> bytes:
    """A PNG of 16 bits a channel, which Pillow reads and cannot write."""
    values = np.random.default_rng(2).integers(0, 65536, (side, side, 3)).astype(">u2")

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", side, side, 16, 2, 0, 0, 0)
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def adobe_in_srgb(values: np.ndarray) -> np.ndarray:
    """The textbook's conversion, for colours inside sRGB."""
    linear = (values / 255) ** ADOBE_GAMMA @ np.array(ADOBE_XYZ).T @ D50_TO_SRGB.T
    linear = linear.clip(0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def wide_gamut() -> Image.Image:
    values = np.random.default_rng(3).integers(80, 176, (*SIZE[::-1], 3), dtype=np.uint8)
    image = Image.fromarray(values)
    image.info["icc_profile"] = adobe_rgb()
    return image


def test_colours_are_those_of_the_profile() -> None:
    image = wide_gamut()
    wanted = adobe_in_srgb(np.asarray(image))
    assert np.abs(np.asarray(upright_rgb(image)) - wanted).max() <= 1.5
    assert np.abs(np.asarray(image) - wanted).max() > 20  # as they were read before
    green = Image.new("RGB", (1, 1), (100, 200, 100))
    green.info["icc_profile"] = adobe_rgb()
    assert green.convert("RGB").getpixel((0, 0))[0] - upright_rgb(green).getpixel((0, 0))[0] > 30


@pytest.mark.parametrize("mode", ["RGBA", "L", "P"])
def test_profiles_in_other_modes(mode: str) -> None:
    image = wide_gamut()
    if mode == "RGBA":
        clear = image.convert("RGBA")
        clear.putalpha(255)
        assert upright_rgb(clear).tobytes() == upright_rgb(image).tobytes()
    elif mode == "P":
        assert (
            np.abs(
                np.asarray(upright_rgb(image.quantize(256))).astype(int) - np.asarray(upright_rgb(image))
            ).mean()
            < 8
        )
    else:
        grey = Image.new("L", (1, 1), 128)
        grey.info["icc_profile"] = grey_of_gamma(1.8)
        linear = (128 / 255) ** 1.8
        wanted = 255 * (1.055 * linear ** (1 / 2.4) - 0.055)
        assert upright_rgb(grey).getpixel((0, 0)) == pytest.approx([wanted] * 3, abs=1)


@pytest.mark.parametrize("profile", [b"", b"garbage" * 40, adobe_rgb()[:300], grey_of_gamma(2.2)])
def test_a_profile_of_no_use_changes_nothing(profile: bytes) -> None:
    image = noise("RGB")
    plain = upright_rgb(image).tobytes()
    image.info["icc_profile"] = profile
    assert upright_rgb(image).tobytes() == plain
    image.info["icc_profile"] = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert upright_rgb(image).tobytes() == plain  # many files name sRGB: their numbers stay


def test_an_edit_goes_back_into_the_pictures_profile() -> None:
    original = Original.of(wide_gamut())
    back = original.take(original.rgb)
    assert back.info["icc_profile"] == adobe_rgb()
    inside = np.asarray(original.rgb).min(axis=2) > 0  # the others are no colours of sRGB
    assert inside.mean() > 0.5
    assert np.abs(np.asarray(back).astype(int) - np.asarray(original.base))[inside].max() <= 2


@given(st.integers(0, 999))
def test_over_white_an_edit_looks_as_it_is(seed: int) -> None:
    """And is no more opaque than that takes."""
    original, edited = Original.of(noise("RGBA", seed)), noise("RGB", seed + 1)
    own = original.take(edited)
    assert np.abs(np.asarray(upright_rgb(own)).astype(int) - np.asarray(edited)).max() <= 1
    needed = 255 - np.asarray(edited).min(axis=2)
    before, after = np.asarray(original.base.getchannel("A")), np.asarray(own.getchannel("A"))
    assert np.array_equal(after, np.maximum(before, needed))


def saved(image: Image.Image, suffix: str, **options: object) -> tuple[str, bytes]:
    buffer = io.BytesIO()
    image.save(buffer, {".jpg": "JPEG", ".tiff": "TIFF", ".png": "PNG", ".gif": "GIF"}[suffix], **options)
    return suffix, buffer.getvalue()


def palette() -> Image.Image:
    return noise("RGB").quantize(16)


def lying() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif.tobytes()


KINDS: dict[
    str, tuple[Callable[[], tuple[str, bytes]], str, str]
] = {  # file, mode of the result, its extension
    "RGB": (lambda: saved(noise("RGB"), ".png"), "RGB", ".png"),
    "RGB jpeg": (lambda: saved(noise("RGB"), ".jpg"), "RGB", ".bmp"),
    "RGBA": (lambda: saved(noise("RGBA"), ".png"), "RGBA", ".png"),
    "RGBA tiff": (lambda: saved(noise("RGBA"), ".tiff"), "RGBA", ".tiff"),
    "LA": (lambda: saved(noise("LA"), ".png"), "RGBA", ".png"),
    "L": (lambda: saved(noise("L"), ".png"), "RGB", ".png"),
    "1": (lambda: saved(noise("L").convert("1"), ".png"), "RGB", ".png"),
    "P": (lambda: saved(palette(), ".png"), "RGB", ".png"),
    "P transparent": (lambda: saved(palette(), ".png", transparency=3), "RGBA", ".png"),
    "gif": (lambda: saved(palette(), ".gif"), "RGB", ".png"),
    "RGB transparent": (lambda: saved(noise("RGB"), ".png", transparency=(1, 2, 3)), "RGBA", ".png"),
    "I;16": (lambda: saved(deep_grey(), ".png"), "I;16", ".png"),
    "I;16 tiff": (lambda: saved(deep_grey(), ".tiff"), "I;16", ".tiff"),
    "I": (lambda: saved(Image.fromarray(np.asarray(deep_grey()).astype(np.int32)), ".tiff"), "I;16", ".png"),
    "CMYK": (lambda: saved(noise("CMYK"), ".jpg"), "CMYK", ".tiff"),
    "wide": (lambda: saved(wide_gamut(), ".png", icc_profile=adobe_rgb(), dpi=(300, 300)), "RGB", ".png"),
    "wide RGBA": (lambda: saved(noise("RGBA"), ".png", icc_profile=adobe_rgb()), "RGBA", ".tiff"),
    "lying": (lambda: saved(noise("RGBA"), ".png", exif=lying()), "RGBA", ".png"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_composite_keeps_every_bit_outside(
    tiny_bundle: Path, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    make, mode, end = KINDS[kind]
    suffix, content = make()
    source, output = tmp_path / f"source{suffix}", tmp_path / f"out{end}"
    source.write_bytes(content)
    size = SIZE[::-1] if kind == "lying" else SIZE
    mask = np.zeros(size[::-1], dtype=np.uint8)
    mask[:20, :20] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    line = [str(source), "make it blue", "--output", str(output), "--mask", str(tmp_path / "mask.png")]
    line += ["--composite", "--no-region-hold", "--checkpoint", str(tiny_bundle), "--device", "cpu"]
    assert edit_command.main(line) == 0, capsys.readouterr().err
    assert "largest change outside the edited region: 0" in capsys.readouterr().out
    with Image.open(source) as image:
        if kind == "lying":
            image = image.transpose(Image.Transpose.ROTATE_270)
        wanted = np.asarray(image if mode in ("I;16", "CMYK") else image.convert(mode))
        info = image.info
    with Image.open(output) as image:
        assert (image.mode, image.size) == (mode, size)
        assert image.info.get("icc_profile") == info.get("icc_profile")
        if kind == "wide":
            assert image.info["dpi"] == pytest.approx(info["dpi"], rel=1e-3)
        got = np.asarray(image)
    assert np.array_equal(got[mask == 0], wanted[mask == 0])
    assert not np.array_equal(got[mask > 0], wanted[mask > 0])


def test_a_plain_edit_keeps_transparency_profile_and_depth(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def edited(name: str, content: bytes) -> tuple[Image.Image, str]:
        (tmp_path / "source").write_bytes(content)
        line = [str(tmp_path / "source"), "make it blue", "--output", str(tmp_path / name)]
        assert edit_command.main([*line, "--checkpoint", str(tiny_bundle), "--device", "cpu"]) == 0
        return decode_image((tmp_path / name).read_bytes()), capsys.readouterr().err

    clear = Image.new("RGBA", SIZE, (0, 0, 0, 0))
    clear.paste((200, 30, 30, 255), (8, 8, 40, 32))
    transparent = saved(clear, ".png")[1]
    image, said = edited("clear.png", transparent)
    assert (image.mode, said) == ("RGBA", "")
    assert image.getchannel("A").getpixel((20, 20)) == 255
    image, said = edited("clear.jpg", transparent)
    assert image.mode == "RGB"
    assert (
        said
        == f"Note on {tmp_path / 'source'}: JPEG files cannot hold transparency: written as 8-bit sRGB, over white.\n"
    )
    wide = saved(wide_gamut(), ".png", icc_profile=adobe_rgb())[1]
    for name in ("wide.png", "wide.jpg", "wide.webp"):
        image, said = edited(name, wide)
        assert (image.info["icc_profile"], said) == (adobe_rgb(), "")
    image, said = edited("wide.bmp", wide)
    assert (
        said
        == f"Note on {tmp_path / 'source'}: BMP files cannot hold a colour profile: written as 8-bit sRGB.\n"
    )
    image, said = edited("deep.png", saved(deep_grey(), ".png")[1])
    assert image.mode == "I;16" and "what the edit colours is grey" in said
    image, said = edited("deep.jpg", saved(deep_grey(), ".png")[1])
    assert image.mode == "RGB" and said.count("\n") == 1 and "16-bit grey" in said
    image, said = edited("colours.png", deep_colour_png())
    assert image.mode == "RGB" and said.count("\n") == 1 and "colours of 16 bits: Pillow reads 8" in said
    image, said = edited("greys.png", GREYS)
    assert image.mode == "RGB" and "it has a profile of greys: written as sRGB." in said
    buffer = io.BytesIO()
    noise("RGB").save(buffer, "TIFF", save_all=True, append_images=[noise("RGB"), noise("RGB")])
    image, said = edited("pages.tiff", buffer.getvalue())
    assert "it holds 3 pictures: the first is edited, and written alone." in said
    image, said = edited("cmyk.jpg", saved(noise("CMYK"), ".jpg")[1])
    assert (image.mode, said) == ("CMYK", "")


GREYS = saved(noise("L"), ".png", icc_profile=grey_of_gamma(1.0))[1]
CLEAR_GREYS = saved(noise("LA"), ".png", icc_profile=grey_of_gamma(1.0))[1]
_TO_LAB = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
LAB = saved(ImageCms.applyTransform(noise("RGB"), _TO_LAB), ".tiff")[1]


@pytest.mark.parametrize("content", [GREYS, CLEAR_GREYS], ids=["grey", "with transparency"])
def test_greys_of_a_profile_are_seen_as_it_says_and_given_back_without(content: bytes) -> None:
    """A file of colours with a profile of greys is one that readers refuse."""
    image = decode_image(content)
    original = Original.of(image)
    plain = Original.of(decode_image(saved(image.convert(image.mode), ".png", icc_profile=None)[1]))
    assert original.converted and not plain.converted
    assert "icc_profile" not in original.base.info and original.base.mode == plain.base.mode
    levels = np.asarray(image.convert("L").point(lambda level: round(255 * to_srgb_level(level / 255))))
    seen = np.asarray(original.base.convert("RGB"))[..., 0]
    assert np.abs(seen.astype(int) - levels.astype(int)).max() <= 2


def to_srgb_level(light: float) -> float:
    return 12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055


@pytest.mark.parametrize(
    ("content", "output", "said"),
    [
        (deep_colour_png(), "out.png", "has colours of 16 bits, of which Pillow reads 8: --composite cannot"),
        (
            saved(noise("CMYK"), ".jpg")[1],
            "out.png",
            "a '.png' file cannot hold CMYK colours: name a .tiff file",
        ),
        (
            saved(noise("RGBA"), ".png")[1],
            "out.bmp",
            "a '.bmp' file cannot hold transparency: name a .png file",
        ),
        (saved(wide_gamut(), ".png", icc_profile=adobe_rgb())[1], "out.bmp", "cannot hold a colour profile"),
        (
            GREYS,
            "out.png",
            "The picture has a profile of greys, and is given back in sRGB: --composite cannot keep",
        ),
        (CLEAR_GREYS, "out.png", "The picture has a profile of greys, and is given back in sRGB"),
        (LAB, "out.png", "The picture has LAB colours, and is given back in sRGB"),
    ],
)
def test_a_composite_that_cannot_keep_bits_is_refused(
    tmp_path: Path, content: bytes, output: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "source").write_bytes(content)
    line = [str(tmp_path / "source"), "make it blue", "--output", str(tmp_path / output), "--composite"]
    assert edit_command.main(line) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1 and not (tmp_path / output).exists()


def test_a_directorys_composites_choose_what_holds_them(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(saved(noise("CMYK"), ".jpg")[1])
    (folder / "b.jpg").write_bytes(saved(noise("RGB"), ".jpg")[1])
    (folder / "b.jpg.png").write_bytes(saved(noise("RGB"), ".png")[1])
    (folder / "c.png").write_bytes(saved(noise("RGBA"), ".png")[1])
    line = [str(folder), "make it blue", "--output", str(tmp_path / "out"), "--composite", "--device", "cpu"]
    assert edit_command.main([*line, "--checkpoint", str(tiny_bundle)]) == 0, capsys.readouterr().err
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["a.jpg.tiff", "b.jpg.png", "b.jpg.png.png", "c.png", "edits.csv"]


@pytest.mark.parametrize("mode", ["RGBA", "LA", "CMYK", "I;16"])
def test_the_editor_composites_in_the_pictures_mode(tiny_editor: Editor, mode: str) -> None:
    source = deep_grey() if mode == "I;16" else noise(mode)
    own = tiny_editor.edit(source, "make it blue", composite=True).images[0]
    plain = tiny_editor.edit(source, "make it blue").images[0]
    assert (own.mode, plain.mode) == ("RGBA" if mode == "LA" else mode, "RGB")
