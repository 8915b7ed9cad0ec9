"""Arrays on disk under the hash of what they are made from: computed once, memory-mapped by all processes.

    FOLDER/<sha256 of the key>/key.json      the key, and what the arrays should look like
    FOLDER/<sha256 of the key>/<name>.npy    the arrays
    FOLDER/.<sha256 of the key>.lock         spares other processes the work; nothing is wrong without it
    FOLDER/.<sha256 of the key>.pieces/      what of long work is done, until the entry is there

An entry is written beside its place, synced, and renamed into it: it is there as a whole or not at all.
Entries are never changed, so any of them may be deleted at any time. The same goes for every piece.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import filelock
import numpy as np

from labelbench_plus.store.atomic import replacing, sync

KEY_FILE = "key.json"
ARRAY_NAME = re.compile(r"[A-Za-z0-9_]+")
LOCK_PATIENCE_SECONDS = 6 * 3600.0
LEFTOVER_SECONDS = 24 * 3600.0

logger = logging.getLogger(__name__)


class CacheError(OSError):
    """The cache cannot be written, or not be read. The message says which folder, why, and what to do."""


class _Torn(Exception):
    """An entry is there but not whole."""


@dataclass(frozen=True)
class Rows:
    """An array that is written as it comes, so that it need not fit into memory.

    Attributes
    ----------
    shape, dtype: of the whole.
    chunks: its rows in order, some at a time, of that type.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunks: Iterable[np.ndarray]


class Pieces:
    """Parts of long work on one entry, each kept as soon as it is done: a process that is killed loses one of them.

    Whoever takes up the work, in this process or another, finds those that are done. They go when the entry is there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, name: str, make: Callable[[], np.ndarray]) -> np.ndarray:
        """The array that `make` returns, mapped from disk; not made again if it is there.

        Parameters
        ----------
        name: of A-Z, a-z, 0-9, '_'.
        make: a function of the entry's key and the name alone.

        Raises
        ------
        CacheError
            It cannot be written.
        """
        file = self._folder / f"{name}.npy"
        try:
            return np.load(file, mmap_mode="c", allow_pickle=False).view(np.ndarray)
        except FileNotFoundError:
            pass
        except (OSError, ValueError, EOFError) as error:  # fewer bytes than its header says are a ValueError
            logger.warning("feature cache: %s is damaged (%s); making it again", file, error)
        array = make()
        _check({name: array})
        with _writing(self._folder.parent):
            self._folder.mkdir(exist_ok=True)
            with replacing(file) as new, open(new, "wb") as opened:
                np.save(opened, array, allow_pickle=False)
            return np.load(file, mmap_mode="c", allow_pickle=False).view(np.ndarray)

    def changed(self) -> float:
        """When the last piece was done, in seconds since 1970; 0 if there is none."""
        try:
            return self._folder.stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def remove(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


def default_cache_dir() -> Path:
    """`$LBP_CACHE`, else `$XDG_CACHE_HOME/labelbench_plus`, else `~/.cache/labelbench_plus`."""
    if chosen := os.environ.get("LBP_CACHE"):
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "labelbench_plus"


def cached(key: Mapping[str, Any], compute: Callable[[], dict[str, np.ndarray]], folder: Path) -> dict[str, np.ndarray]:
    """The arrays that `compute` returns, from disk if they were ever computed under this key.

    See `cached_by_pieces`, which this is for work that is not worth interrupting.
    """
    return cached_by_pieces(key, lambda _: dict(compute()), folder)


def cached_by_pieces(
    key: Mapping[str, Any], compute: Callable[[Pieces], dict[str, np.ndarray | Rows]], folder: Path
) -> dict[str, np.ndarray]:
    """The arrays that `compute` returns, from disk if they were ever computed under this key.

    Processes that want the same key at once wait for the first of them. A process killed at any moment leaves
    nothing that could be taken for an entry. A damaged entry is noticed (missing files, wrong sizes or
    headers), reported as a warning, and computed again.

    Parameters
    ----------
    key: everything the arrays depend on, as JSON values: hashes of inputs and weights, hyperparameters,
        versions.
    compute: called at most once; must be a function of the key alone. Array names are made of A-Z, a-z, 0-9,
        '_'. What it keeps as pieces is there again when it is called anew after an interruption.
    folder: where the cache is; made if it is not there.

    Returns
    -------
    The arrays by name, mapped into memory copy-on-write: pages are read when touched and shared between
    processes; writing into an array changes this process's copy and never the cache.

    Raises
    ------
    CacheError
        The folder cannot be written (before anything is computed), or the disk is full.
    TypeError, ValueError
        The key is not JSON, or `compute` returned something else than named arrays of numbers.
    """
    text = json.dumps(key, sort_keys=True, separators=(",", ":"), allow_nan=False)
    digest = hashlib.sha256(text.encode()).hexdigest()
    entry = folder / digest
    if (found := _read(entry, text)) is not None:
        return found
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        # refused now rather than after hours of work
        os.rmdir(tempfile.mkdtemp(prefix=f".{digest}.", dir=folder))
    pieces = Pieces(folder / f".{digest}.pieces")
    with _turn(folder / f".{digest}.lock", lambda: entry.exists(), pieces.changed):
        if (found := _read(entry, text)) is not None:
            return found
        arrays = compute(pieces)
        _check(arrays)
        with _writing(folder):
            _remove_leftovers(folder, digest)
            found = _commit(arrays, text, entry)
            pieces.remove()
            return found


def _read(entry: Path, text: str) -> dict[str, np.ndarray] | None:
    """The entry's arrays; None, and for a damaged entry a warning, if it has to be computed."""
    try:
        return _open(entry, text)
    except FileNotFoundError:
        if not entry.exists():
            return None
        problem: Exception = _Torn("a file is missing")
    except PermissionError as error:
        raise CacheError(error.errno, f"the feature cache's entry {entry} may not be read: {error}") from error
    except (_Torn, OSError, ValueError, KeyError, TypeError) as error:
        problem = error
    logger.warning("feature cache: %s is damaged (%s); computing it again", entry, problem)
    return None


def _open(entry: Path, text: str) -> dict[str, np.ndarray]:
    stored = json.loads((entry / KEY_FILE).read_text())
    if json.dumps(stored["key"], sort_keys=True, separators=(",", ":")) != text:
        raise _Torn("it belongs to another key")
    arrays = {}
    for name, expected in stored["arrays"].items():
        file = entry / f"{name}.npy"
        if file.stat().st_size != expected["bytes"]:
            raise _Torn(f"{file.name} has {file.stat().st_size} bytes instead of {expected['bytes']}")
        mapped = np.load(file, mmap_mode="c", allow_pickle=False)
        if mapped.dtype.str != expected["dtype"] or list(mapped.shape) != expected["shape"]:
            raise _Torn(f"{file.name} is {mapped.dtype} {mapped.shape}")
        arrays[name] = mapped.view(np.ndarray)
    return arrays


def _check(arrays: Mapping[str, np.ndarray | Rows]) -> None:
    if not isinstance(arrays, dict) or not all(isinstance(array, np.ndarray | Rows) for array in arrays.values()):
        raise TypeError("compute() must return a dict of NumPy arrays")
    for name, array in arrays.items():
        if not ARRAY_NAME.fullmatch(name):
            raise ValueError(f"compute(): array name {name!r} must be made of A-Z, a-z, 0-9 and '_'")
        if array.dtype.hasobject:
            raise TypeError(f"compute(): array {name!r} holds Python objects")


def _commit(arrays: Mapping[str, np.ndarray | Rows], text: str, entry: Path) -> dict[str, np.ndarray]:
    """Write the entry and return it as the next process will read it, or another process's equal one."""
    new = entry.parent / f".{entry.name}.{secrets.token_hex(8)}"
    new.mkdir()  # mkdtemp would hide a shared cache's entry from everybody else
    try:
        described = {}
        for name, array in arrays.items():
            with open(new / f"{name}.npy", "wb") as file:
                if isinstance(array, Rows):
                    _write_rows(file, name, array)
                else:
                    np.save(file, array, allow_pickle=False)
                described[name] = {"dtype": array.dtype.str, "shape": list(array.shape), "bytes": file.tell()}
            sync(new / f"{name}.npy")
        with open(new / KEY_FILE, "w") as file:
            json.dump({"key": json.loads(text), "arrays": described}, file, indent=1)
        sync(new / KEY_FILE)
        sync(new)
        opened = _open(new, text)  # before the rename: what is mapped now cannot be taken away any more
        while True:
            try:
                os.rename(new, entry)
            except OSError as error:
                if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                    raise
                if (theirs := _read(entry, text)) is not None:
                    return theirs
                _set_aside(entry)
            else:
                sync(entry.parent)
                return opened
    finally:
        shutil.rmtree(new, ignore_errors=True)  # nothing is there any more where it was renamed


def _write_rows(file: BinaryIO, name: str, rows: Rows) -> None:
    header = {"descr": np.lib.format.dtype_to_descr(rows.dtype), "fortran_order": False, "shape": rows.shape}
    np.lib.format.write_array_header_1_0(file, header)
    written = 0
    for chunk in rows.chunks:
        if chunk.dtype != rows.dtype or chunk.shape[1:] != rows.shape[1:]:
            raise ValueError(
                f"array {name!r} is to be {rows.dtype} {rows.shape}, but a chunk is {chunk.dtype} {chunk.shape}"
            )
        file.write(np.ascontiguousarray(chunk).data)
        written += len(chunk)
    if written != rows.shape[0]:
        raise ValueError(f"array {name!r} is to have {rows.shape[0]} rows, but {written} came")
    file.flush()


def _set_aside(entry: Path) -> None:
    """Free the place of a damaged entry. Whoever has mapped parts of it keeps them."""
    aside = Path(tempfile.mkdtemp(prefix=f".{entry.name}.", dir=entry.parent))
    try:
        os.rename(entry, aside / "damaged")
    except FileNotFoundError:  # another process has done it
        pass
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _remove_leftovers(folder: Path, digest: str) -> None:
    """Remove what killed processes left; the age keeps apart from it what others are writing right now."""
    for leftover in folder.glob(f".{digest}.*"):
        if leftover.suffix == ".pieces":
            continue
        try:
            old = time.time() - leftover.stat().st_mtime > LEFTOVER_SECONDS
        except FileNotFoundError:
            continue
        if old and leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)


@contextmanager
def _turn(lock_file: Path, appeared: Callable[[], bool], changed: Callable[[], float]) -> Iterator[None]:
    """Wait while another process computes the same entry.

    Only work is saved by it. Where locks do not work, or the other one comes no further, we compute as well.

    Parameters
    ----------
    changed: a number that is another whenever the other one has come further.
    """
    lock = filelock.FileLock(lock_file)
    waited_from, last, told = time.monotonic(), changed(), False
    while True:
        try:
            lock.acquire(timeout=1.0)
            break
        except filelock.Timeout:
            if appeared():
                break
            if not told:
                logger.info("feature cache: waiting for the process that computes the same (%s)", lock_file)
                told = True
            if (now := changed()) != last:
                waited_from, last = time.monotonic(), now
            if time.monotonic() - waited_from > LOCK_PATIENCE_SECONDS:
                logger.warning("feature cache: %s has been locked for hours; computing here too", lock_file)
                break
        except (OSError, NotImplementedError) as error:
            logger.warning("feature cache: %s cannot be locked (%s); going on without", lock_file, error)
            break
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Turn whatever goes wrong while writing below `folder` into one clear error."""
    try:
        yield
    except OSError as error:
        raise CacheError(
            error.errno or errno.EIO,
            f"the feature cache {folder} cannot be written: {error.strerror or error}. Free some space, make "
            f"it writable, or choose another folder with the environment variable LBP_CACHE",
        ) from error
