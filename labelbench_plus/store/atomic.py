"""Writing files so that a reader, or a process that resumes after `kill -9`, sees all of a file or nothing of it."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
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


def publish_folder(path: Path, write: Callable[[Path], None], check: Callable[[], None] = lambda: None) -> bool:
    """Create the folder `path` with what `write` puts into the folder it is handed, unless it exists.

    All of it is durable before the name appears, and a rename does not replace a folder that holds something.

    Parameters
    ----------
    check: called when all is written, before the name appears; what it raises stops that.

    Returns
    -------
    Whether it was created.
    """
    with _temporary(path) as temporary:
        temporary.mkdir()
        write(temporary)
        sync_tree(temporary)
        check()
        return rename_folder(temporary, path)


def rename_folder(folder: Path, path: Path) -> bool:
    """Give a folder the name `path`, durably, unless something has it. Returns whether it got it."""
    try:
        os.rename(folder, path)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
            raise
        return False
    sync(path.parent)
    return True


def remove(path: Path) -> bool:
    """Remove a folder or file: its name goes in one step, so that nobody finds half of it.

    Whoever has mapped parts of it keeps them. Returns whether it was there.
    """
    with _temporary(path) as temporary:
        try:
            os.rename(path, temporary)
        except FileNotFoundError:
            return False
    return True


def sweep_temporaries(folder: Path) -> None:
    """Remove what writers that were killed left behind. Only for a folder nobody else writes to."""
    for leftover in folder.glob(f"{TEMPORARY}*"):
        _remove(leftover)


def sync_tree(folder: Path) -> None:
    """Make all that lies below a folder durable, the folders' own lists of names too."""
    for place, _, names in os.walk(folder):
        for name in names:
            sync(Path(place, name))
        sync(Path(place))


def sync(path: Path) -> None:
    """Make what was written to a file durable, or the names in a folder."""
    if os.name == "nt" and path.is_dir():  # folders cannot be opened there, nor need they be
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    """A name beside `path` that nobody else uses; what is still there in the end is removed."""
    temporary = path.with_name(f"{TEMPORARY}{uuid.uuid4().hex}")
    try:
        yield temporary
    finally:  # a full disk must not be filled further by half-written files
        _remove(temporary)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
