"""Weights are known by the content of all their files."""

from pathlib import Path
from shutil import copytree

from editmgt.stores.fingerprint import weights_digest


def test_a_part_that_is_a_link_counts_by_what_is_behind_it(tiny_bundle: Path, tmp_path: Path) -> None:
    linked = copytree(tiny_bundle, tmp_path / "linked")
    elsewhere = (linked / "vqvae").rename(tmp_path / "vqvae")
    (linked / "vqvae").symlink_to(elsewhere)
    before = weights_digest(str(linked))
    assert before == weights_digest(str(tiny_bundle))
    weights = next(elsewhere.glob("*.safetensors"))
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert weights_digest(str(linked)) != before
