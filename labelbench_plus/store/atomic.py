"""Writing files so that a reader, or a process that resumes after `kill -9`, sees all of a file or nothing of it."""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

TEMPORARY = ".tmp-"


def publish(path: Path, content: bytes) -> bool:
    """Create `path` with `content`, unless it exists. Returns whether it was created.

    The content is durable before the name appears, and `link` refuses an existing name in one step, so two
    processes that publish at once cannot overwrite each other.
    """
    temporary = _write_temporary(path, content)
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
    temporary = _write_temporary(path, content)
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
        os.rename(temporary, path)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
            raise
        return False
    finally:
        shutil.rmtree(temporary, ignore_errors=True)  # nothing is there any more where it was renamed
    sync_folder(path.parent)
    return True


def remove_folder(path: Path) -> bool:
    """Remove a folder: its name goes in one step, so that nobody finds half of it. Returns whether it was there."""
    temporary = path.with_name(f"{TEMPORARY}{uuid.uuid4().hex}")
    try:
        os.rename(path, temporary)
    except FileNotFoundError:
        return False
    shutil.rmtree(temporary, ignore_errors=True)
    return True


def sweep_temporaries(folder: Path) -> None:
    """Remove what writers that were killed left behind. Only for a folder nobody else writes to."""
    for leftover in folder.glob(f"{TEMPORARY}*"):
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


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


def _write_temporary(path: Path, content: bytes) -> Path:
    temporary = path.with_name(f"{TEMPORARY}{uuid.uuid4().hex}")
    try:
        with open(temporary, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        temporary.unlink(missing_ok=True)  # a full disk must not be filled further by half-written files
        raise
    return temporary
