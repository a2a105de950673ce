"""Colour profiles made by hand: Adobe RGB's primaries and gamma, and a grey of gamma 1.8."""

import struct

# of Adobe RGB, adapted to D50: columns are red, green, blue
ADOBE_XYZ = ((0.60974, 0.20528, 0.14919), (0.31111, 0.62567, 0.06322), (0.01947, 0.06087, 0.74457))
ADOBE_GAMMA = 563 / 256
D50 = (0.9642, 1.0, 0.8249)


def adobe_rgb() -> bytes:
    colorants = {
        f"{name}XYZ": _xyz(column) for name, column in zip("rgb", zip(*ADOBE_XYZ, strict=True), strict=True)
    }
    return _profile(b"RGB ", colorants | dict.fromkeys(("rTRC", "gTRC", "bTRC"), _gamma(ADOBE_GAMMA)))


def grey_of_gamma(gamma: float) -> bytes:
    return _profile(b"GRAY", {"kTRC": _gamma(gamma)})


def _xyz(values: tuple[float, ...]) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in values))


def _gamma(value: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IHxx", 1, round(value * 256))


def _profile(space: bytes, tags: dict[str, bytes]) -> bytes:
    text = b"made by hand\0"
    described = b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(78 + 12)
    tags = {"desc": described, "cprt": b"text\0\0\0\0" + text, "wtpt": _xyz(D50)} | tags
    table, content = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, tag in tags.items():
        table += struct.pack(">4sII", name.encode(), start + len(content), len(tag))
        content += tag + bytes(-len(tag) % 4)
    header = struct.pack(
        ">I4xI4s4s4s12x4s", start + len(content), 0x02100000, b"mntr", space, b"XYZ ", b"acsp"
    )
    header += bytes(28) + struct.pack(">3i", *(round(value * 65536) for value in D50))
    return header.ljust(128, b"\0") + table + content
