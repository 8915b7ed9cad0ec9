"""Writing files so that a reader, or a process that resumes after `kill -9`, sees all of a file or nothing of it."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

TEMPORARY = ".tmp-"


def publish(path: Path, content: bytes) -> bool:
    """Create `path` with `content`, unless it exists. Returns whether it was created.

    The content is durable before the name appears, and `link` refuses an existing name in one step, so two
    processes that publish at once cannot overwrite each other.
    """
    with _temporary(path) as temporary:
        temporary.write_bytes(content)
        sync(temporary)
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
    sync(path.parent)
    return True


def replace(path: Path, content: bytes) -> None:
    """Create or replace `path` with `content` in one step."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Where to write a file that becomes `path`, in one step, when the block ends well; else nothing of it stays."""
    with _temporary(path) as temporary:
        yield temporary
        sync(temporary)
        os.replace(temporary, path)
    sync(path.parent)


@contextlib.contextmanager
def making(path: Path) -> Iterator[Path]:
    """An empty folder to fill that becomes `path`, in one step, when the block ends well; else nothing of it stays.

    Where `path` is a folder by then, another process was as fast with the same content, and this one is dropped.
    """
    with _temporary(path) as temporary:
        temporary.mkdir()
        yield temporary
        try:
            os.rename(temporary, path)
        except OSError:
            if not path.is_dir():
                raise
    sync(path.parent)


def sync(path: Path) -> None:
    """Return when what was written to a file, or which names a folder has, outlasts a loss of power."""
    if os.name == "nt" and path.is_dir():  # folders cannot be opened there, nor need they be
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep_temporaries(folder: Path) -> None:
    """Remove what writers that were killed left behind. Only for a folder nobody else writes to."""
    for leftover in folder.glob(f"{TEMPORARY}*"):
        leftover.unlink(missing_ok=True)


@contextlib.contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    """A name beside `path` that nobody else uses; what is still there in the end is removed."""
    temporary = path.with_name(f"{TEMPORARY}{uuid.uuid4().hex}")
    try:
        yield temporary
    finally:  # a full disk must not be filled further by half-written files
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)
