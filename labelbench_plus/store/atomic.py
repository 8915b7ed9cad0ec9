"""Writing files so that a reader, or a process that resumes after `kill -9`, sees a whole file or none.

What a file system has to do: make what was synced durable; and refuse a name that is taken in one step, by `link` or,
where it has no links, by `renameat2(RENAME_NOREPLACE)`. Where a folder cannot be synced, a loss of power can take the
names that were made last, and nothing else: they are made again.

An answer of a network file system can get lost: the name is made and an error is told, by the client that asked twice.
So whether a step was done is read off the files, whatever error it ended with.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from labelbench_plus.store import holder
from labelbench_plus.store.exclusive_rename import rename_if_free

TEMPORARY = ".tmp-"
UNTOUCHED_SECONDS = 600.0  # a temporary of another machine that nobody wrote to for so long is left behind
WRITER = re.compile(re.escape(TEMPORARY) + r"(?P<place>[0-9a-f]{8})-(?P<pid>\d+)-(?P<start>[\d.]+)-[0-9a-f]+")

NO_LINKS = {errno.EPERM, errno.EMLINK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}
NO_FOLDER_SYNC = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EBADF, errno.EACCES, errno.EISDIR}
TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR)


class TemporaryLost(OSError):
    """The file being written was removed under its temporary name."""


def publish(path: Path, content: bytes) -> bool:
    """Create `path` with `content`, unless it exists. Returns whether it was created.

    The content is durable before the name appears, and an existing name is refused in one step, so two processes that
    publish at once cannot overwrite each other.

    Raises
    ------
    OSError
        It cannot be written, or the file system can refuse no name. Whether the name was made is not known then.
    """
    with _temporary(path) as temporary:
        temporary.write_bytes(content)
        sync(temporary)
        if not _name_once(temporary, path):
            return False
    sync(path.parent)
    return True


def replace(path: Path, content: bytes) -> None:
    """Create or replace `path` with `content` atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Where to write a file that atomically becomes `path` when the block succeeds; otherwise nothing remains."""
    with _temporary(path) as temporary:
        yield temporary
        sync(temporary)
        _rename(temporary, path, os.replace)
    sync(path.parent)


def publish_folder(path: Path, write: Callable[[Path], None], check: Callable[[], None] = lambda: None) -> bool:
    """Create the folder `path` with what `write` puts into the folder it gets, unless it exists.

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
    """Rename a folder to `path`, durably, unless that exists. Returns whether it was renamed."""
    try:
        _rename(folder, path, os.rename)
    except OSError as error:
        if error.errno not in TAKEN:
            raise
        return False
    sync(path.parent)
    return True


def remove(path: Path) -> bool:
    """Remove a folder or file: its name disappears at once, so that nobody sees half of it.

    Whoever has mapped parts of it keeps them. Returns whether it was there.
    """
    with _temporary(path) as temporary:
        try:
            _rename(path, temporary, os.rename)
        except FileNotFoundError:
            return False
    return True


def sweep_temporaries(folder: Path) -> None:
    """Remove what killed writers left behind, but nothing of active ones.

    Whether a writer of this machine is at work is known of its process; of other machines' writers it is taken to be so
    for as long as something changes.
    """
    now: float | None = None
    with contextlib.suppress(OSError):  # what cannot be swept now is swept another time
        for leftover in folder.glob(f"{TEMPORARY}*"):
            if (working := _writer_works(leftover.name)) is None:
                now = now if now is not None else file_server_time(folder)
                working = now - _last_change(leftover) < UNTOUCHED_SECONDS
            if not working:
                _remove(leftover)


def file_server_time(folder: Path) -> float:
    """The time by the clock that dates the files in a folder, the only one comparable with their dates.

    Raises
    ------
    OSError
        Nothing can be written there.
    """
    with _temporary(folder / "clock") as probe:
        probe.touch()
        return probe.stat().st_mtime


def sync_tree(folder: Path) -> None:
    """Make everything below a folder durable, including directory entries."""
    for place, _, names in os.walk(folder):
        for name in names:
            sync(Path(place, name))
        sync(Path(place))


def sync(path: Path) -> None:
    """Make a file's content durable, or a folder's entries where the file system supports that."""
    is_folder = path.is_dir()
    if os.name == "nt" and is_folder:  # folders cannot be opened there, nor need they be
        return
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if not (is_folder and error.errno in NO_FOLDER_SYNC):
            raise


def _name_once(temporary: Path, path: Path) -> bool:
    """Link a file to `path` too, unless that exists. Returns whether it was linked."""
    written = os.stat(temporary)
    for name_it in (os.link, rename_if_free):
        try:
            name_it(temporary, path)
            return True
        except OSError as error:
            if _is(path, written):
                return True
            if error.errno == errno.EEXIST:
                return False
            if error.errno not in NO_LINKS:
                raise
    raise OSError(
        errno.EOPNOTSUPP,
        "its file system has neither hard links nor a rename that refuses a name that is taken",
        str(path),
    )


def _rename(old: Path, new: Path, rename: Callable[[Path, Path], None]) -> None:
    moved = os.stat(old, follow_symlinks=False)
    try:
        rename(old, new)
    except OSError:
        if _is(new, moved) and not os.path.lexists(old):
            return
        raise


def _is(path: Path, written: os.stat_result) -> bool:
    """Whether a name is that of the file or folder with these data."""
    try:
        return os.path.samestat(os.stat(path, follow_symlinks=False), written)
    except OSError:
        return False


@contextlib.contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    """A name beside `path` that nobody else uses and that says whose it is; what is there in the end is removed."""
    mark = f"{holder.place()}-{os.getpid()}-{holder.start()}-{uuid.uuid4().hex}"
    temporary = path.with_name(f"{TEMPORARY}{mark}")
    try:
        yield temporary
    except FileNotFoundError as error:
        if not str(error.filename).startswith(str(temporary)) or not path.parent.is_dir():
            raise
        words = "somebody removed what was being written, under its temporary name"
        raise TemporaryLost(errno.ESTALE, words, str(path)) from error
    finally:  # a full disk must not be filled further by half-written files
        _remove(temporary)


def _writer_works(name: str) -> bool | None:
    """Whether the process that made a temporary still is there; None if that is not to be seen from here."""
    made = WRITER.fullmatch(name)
    if made is None or made["place"] != holder.place():
        return None
    start = float(made["start"])
    return holder.lives({**holder.identity(), "pid": int(made["pid"]), "ticks": start, "started": start})


def _last_change(path: Path) -> float:
    """When something below a path was last written."""
    latest = os.stat(path, follow_symlinks=False).st_mtime
    for place, folders, names in os.walk(path):
        for name in [*folders, *names]:
            with contextlib.suppress(FileNotFoundError):
                latest = max(latest, os.stat(os.path.join(place, name), follow_symlinks=False).st_mtime)
    return latest


def _remove(path: Path) -> None:
    """Remove a temporary, if that can be done; else the next one who sweeps does it."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
