"""Writing files so that a reader, or a process that resumes after `kill -9`, sees all of a file or nothing of it."""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

TEMPORARY = ".tmp-"


def publish(path: Path, content: bytes) -> bool:
    """Create `path` with `content`, unless it exists. Returns whether it was created.

    The content is durable before the name appears, and `link` refuses an existing name in one step, so two
    processes that publish at once cannot overwrite each other.
    """
    temporary = _write_temporary(path, lambda file: file.write(content))
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        os.unlink(temporary)
    sync_folder(path.parent)
    return True


def replace(path: Path, content: bytes) -> None:
    """Create or replace `path` with `content` in one step."""
    replace_by(path, lambda file: file.write(content))


def replace_by(path: Path, write: Callable[[BinaryIO], Any]) -> None:
    """Create or replace `path` with what `write` puts into the file it is handed, in one step."""
    temporary = _write_temporary(path, write)
    try:
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


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
    temporary = path.with_name(f"{TEMPORARY}{uuid.uuid4().hex}")
    temporary.mkdir()
    try:
        write(temporary)
        sync_tree(temporary)
        check()
        return rename_folder(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)  # nothing is there any more where it was renamed


def rename_folder(folder: Path, path: Path) -> bool:
    """Give a folder the name `path`, durably, unless something has it. Returns whether it got it."""
    try:
        os.rename(folder, path)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
            raise
        return False
    sync_folder(path.parent)
    return True


def remove(path: Path) -> bool:
    """Remove a folder or file: its name goes in one step, so that nobody finds half of it.

    Whoever has mapped parts of it keeps them. Returns whether it was there.
    """
    temporary = path.with_name(f"{TEMPORARY}{uuid.uuid4().hex}")
    try:
        os.rename(path, temporary)
    except FileNotFoundError:
        return False
    _clear(temporary)
    return True


def sweep_temporaries(folder: Path) -> None:
    """Remove what writers that were killed left behind. Only for a folder nobody else writes to."""
    for leftover in folder.glob(f"{TEMPORARY}*"):
        _clear(leftover)


def _clear(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def sync_tree(folder: Path) -> None:
    """Make all that lies below a folder durable, the folders' own lists of names too."""
    for place, _, names in os.walk(folder):
        for name in names:
            descriptor = os.open(Path(place, name), os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_folder(Path(place))


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_temporary(path: Path, write: Callable[[BinaryIO], Any]) -> Path:
    temporary = path.with_name(f"{TEMPORARY}{uuid.uuid4().hex}")
    try:
        with open(temporary, "xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        temporary.unlink(missing_ok=True)  # a full disk must not be filled further by half-written files
        raise
    return temporary
