"""The content of files as hashes that are computed once: identity is content, and reading terabytes is expensive.

A hash is kept in the cache folder under where the file lies, its size, its inode and when it and its inode were last
changed, to the nanosecond. A file that was changed in the last seconds is not kept: clocks of file systems are coarse,
and another change could leave the same times behind.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

FOLDER = "hashes"
BATCH = 1024  # files whose hashes are kept together
SMALL = 1 << 20  # bytes that are hashed as quickly as looked up
SETTLED_NS = 3 * 10**9


def default_cache_dir() -> Path:
    """`$LBP_CACHE`, else `$XDG_CACHE_HOME/labelbench_plus`, else `~/.cache/labelbench_plus`."""
    if chosen := os.environ.get("LBP_CACHE"):
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "labelbench_plus"


def state_of(path: Path) -> tuple[int, ...]:
    """Size, inode and times of a file: equal as long as it is not changed. Empty where there is none."""
    try:
        stat = os.stat(path)
    except OSError:
        return ()
    return stat.st_size, stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns


def hash_file(path: Path) -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal digits.

    Raises
    ------
    FileNotFoundError
        The file does not exist.
    """
    return hash_files([path])[0]


def hash_files(paths: Sequence[Path]) -> list[str]:
    """`hash_file` of each, by several threads."""
    found: list[str] = []
    for start in range(0, len(paths), BATCH):
        some = paths[start : start + BATCH]
        digests = remembered(some, "sha256", partial(_digests, some))
        found += [digests[place : place + 32].hex() for place in range(0, len(digests), 32)]
    return found


def remembered(paths: Sequence[Path], what: str, make: Callable[[], bytes]) -> bytes:
    """What `make` gives of these files, from the cache as long as none of them changes.

    Parameters
    ----------
    what: names what is made of them, and from which part.

    Raises
    ------
    FileNotFoundError
        One of the files is not there.
    """
    state, size, latest = [what], 0, 0
    for path in paths:
        if not (of_file := state_of(path)):
            raise FileNotFoundError(f"{path}: no such file")
        state.append(f"{os.path.abspath(path)}\0{of_file}")
        size, latest = size + of_file[0], max(latest, *of_file[2:])
    if size < SMALL or time.time_ns() - latest < SETTLED_NS:
        return make()
    name = hashlib.sha256("\0\0".join(state).encode("utf-8", "surrogateescape")).hexdigest()
    kept = default_cache_dir() / FOLDER / name[:2] / name
    with suppress(OSError):
        return kept.read_bytes()
    made = make()
    with suppress(OSError):  # a cache that cannot be written costs time, nothing else
        _keep(kept, made)
    return made


def _digests(paths: Sequence[Path]) -> bytes:
    def digest(path: Path) -> bytes:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").digest()

    if len(paths) == 1:
        return digest(paths[0])
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return b"".join(threads.map(digest, paths))


def _keep(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
