"""A file is known by what it holds, and read for that once."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from labelbench_plus import content
from labelbench_plus.content import hash_file, hash_files


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were read, where none is too small or too new to be remembered."""
    seen: list[Path] = []
    digests = content._digests

    def noted(paths: list[Path]) -> bytes:
        seen.extend(paths)
        return digests(paths)

    monkeypatch.setattr(content, "_digests", noted)
    monkeypatch.setattr(content, "SMALL", 0)
    monkeypatch.setattr(content, "SETTLED_NS", -1)
    return seen


def test_it_is_read_once(tmp_path: Path, read: list[Path]) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"abc")
    assert hash_file(file) == hash_file(file) == hashlib.sha256(b"abc").hexdigest()
    assert read == [file]
    with pytest.raises(FileNotFoundError, match="none: no such file"):
        hash_file(tmp_path / "none")


def test_a_change_in_place_is_noticed_even_at_the_same_size_and_time(tmp_path: Path, read: list[Path]) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"abc")
    before, stat = hash_file(file), file.stat()
    with open(file, "r+b") as opened:
        opened.write(b"abd")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert hash_file(file) != before
    (tmp_path / "b").write_bytes(b"abc")
    os.replace(tmp_path / "b", file)
    assert hash_file(file) == before and len(read) == 3


def test_what_was_changed_just_now_is_not_remembered(
    tmp_path: Path, read: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "SETTLED_NS", 10**12)
    (tmp_path / "a").write_bytes(b"abc")
    assert hash_file(tmp_path / "a") == hash_file(tmp_path / "a")
    assert len(read) == 2, "a coarse clock could hide another change"


def test_many_files_are_kept_together(tmp_path: Path, read: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "BATCH", 2)
    files = [tmp_path / str(number) for number in range(5)]
    for file in files:
        file.write_text(file.name)
    found = hash_files(files)
    assert found == [hashlib.sha256(file.name.encode()).hexdigest() for file in files]
    files[4].write_text("other")
    assert hash_files(files)[:4] == found[:4]
    assert read == [*files, files[4]]


def test_a_cache_that_cannot_be_written_costs_time_only(
    tmp_path: Path, read: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"in the way")
    monkeypatch.setenv("LBP_CACHE", str(tmp_path / "file"))
    assert hash_file(tmp_path / "file") == hashlib.sha256(b"in the way").hexdigest()
