"""Files that are whole or absent, on a disk that is full."""

from pathlib import Path

import pytest
from full_disk import full_disk

from editmgt.files import WriteError, append, files_below, write_atomic


def test_a_file_that_cannot_be_replaced_is_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomic(path, "before")
    with full_disk(100), pytest.raises(WriteError, match=rf"^cannot write {path}: File too large$"):
        write_atomic(path, b"x" * 200)
    assert path.read_text() == "before"
    assert [*tmp_path.iterdir()] == [path]  # no half a file is left behind


def test_what_cannot_be_added_whole_is_not_added(tmp_path: Path) -> None:
    path = tmp_path / "file"
    append(path, "one\n")
    with full_disk(10), pytest.raises(WriteError, match="cannot write"):
        append(path, "two\nthree\nfour\n")  # six bytes of it would have found room
    assert path.read_text() == "one\n"
    append(path, b"two\n")
    assert path.read_text() == "one\ntwo\n"


def test_a_path_that_cannot_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match="file/inside: File exists"):
        write_atomic(tmp_path / "file" / "inside", "text")
    with pytest.raises(WriteError, match="Is a directory"):
        append(tmp_path, "text")


def test_files_of_a_directory_are_also_those_behind_links(tmp_path: Path) -> None:
    own, other = tmp_path / "own", tmp_path / "other"
    for path in (own / "part" / "b", own / "a", other / "c"):
        write_atomic(path, "")
    (own / "linked").symlink_to(other)
    (own / "again").symlink_to(other)
    (own / "part" / "round").symlink_to(own)
    (own / ".cache").mkdir()
    (own / ".cache" / "notes").write_text("of a download")
    names = [path.relative_to(own).as_posix() for path in files_below(own)]
    assert names == ["a", "again/c", "linked/c", "part/b"]
