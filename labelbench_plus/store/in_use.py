"""Which process uses which artefact: shared locks that end with the process, however it ends.

All of a folder's are locks on single bytes of one file, at a place that the artefact's name gives, so that a process
needs one open file however many artefacts it uses. They work between machines where the file system's locks do.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Literal

FILE = ".users"
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}

Alone = Literal["alone", "used", "unknown"]


@dataclass
class _Folder:
    """The open file of a folder. Closing any other file of that name would end its locks: there must be one."""

    descriptor: int
    pid: int
    inode: int
    used: set[str] = field(default_factory=set)


_folders: dict[str, _Folder] = {}
_guard = Lock()


def note(folder: Path, digest: str) -> None:
    """Mark an artefact as used by this process until it ends. Where nothing can be written, nothing is pruned."""
    with _guard, suppress(OSError):
        opened = _open(folder)
        if digest not in opened.used:
            fcntl.lockf(opened.descriptor, fcntl.LOCK_SH, 1, _place(digest))
            opened.used.add(digest)


@contextmanager
def alone_with(folder: Path, digest: str) -> Iterator[Alone]:
    """Keep others from starting to use an artefact, if it is unused.

    Yields "used" if somebody does, this process included, and "unknown" where the file system has no locks.
    """
    with _guard:
        opened = _open(folder)
        if digest in opened.used:
            yield "used"
            return
        try:
            fcntl.lockf(opened.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _place(digest))
        except OSError as error:
            yield "unknown" if error.errno in NO_LOCKS else "used"
            return
        try:
            yield "alone"
        finally:
            fcntl.lockf(opened.descriptor, fcntl.LOCK_UN, 1, _place(digest))


def _open(folder: Path) -> _Folder:
    """The folder's file, opened once a process: locks are not inherited by a fork, and a folder may be made anew."""
    name = os.path.realpath(folder)
    known = _folders.get(name)
    path = Path(name, FILE)
    with suppress(FileNotFoundError):
        if known is not None and known.pid == os.getpid() and path.stat().st_ino == known.inode:
            return known
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    _folders[name] = _Folder(descriptor, os.getpid(), os.fstat(descriptor).st_ino)
    return _folders[name]


def _place(digest: str) -> int:
    return int(digest[:15], 16)
