"""Expensive artefacts are made once: arrays, texts and folders under the hash of their inputs.

    FOLDER/<sha256 of the key>/key.json      the key, and what the content should look like
    FOLDER/<sha256 of the key>/<name>.npy    arrays; texts are two of them, `bytes` and `offsets`
    FOLDER/<sha256 of the key>/content/      a folder
    FOLDER/<sha256 of the key>.json          where it comes from; its modification time is that of the last use
    FOLDER/.<sha256 of the key>.lock         spares other processes the work; nothing is wrong without it
    FOLDER/.<sha256 of the key>.pieces/      what of long work is done, until the entry is there (see pieces.py)
    FOLDER/.users                            who uses what (see in_use.py)

An entry is written beside its place, synced, and renamed into it: it is there as a whole or not at all. Entries are
never changed, so any that nobody uses may be deleted at any time (see prune.py). The same goes for every piece.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np

from labelbench_plus.content import default_cache_dir as default_cache_dir
from labelbench_plus.inputs.texts import Texts
from labelbench_plus.store import in_use, provenance
from labelbench_plus.store.atomic import remove, rename_folder, sync_tree
from labelbench_plus.store.packed_texts import as_json_array, packed, unpacked
from labelbench_plus.store.pieces import FULL, CacheError, Parts, Pieces, check_arrays, writing
from labelbench_plus.store.provenance import KEY_FILE
from labelbench_plus.store.prune import LEFTOVER_SECONDS, budget, prune

CONTENT = "content"
LOCK_PATIENCE_SECONDS = 6 * 3600.0

T = TypeVar("T")

logger = logging.getLogger(__name__)


class _Torn(Exception):
    """An entry exists but is incomplete."""


@dataclass(frozen=True)
class Rows:
    """An array that is written piece by piece, so that it need not fit into memory.

    Attributes
    ----------
    shape, dtype: of the whole.
    chunks: its rows in order, some at a time, of that type.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunks: Iterable[np.ndarray]


class Artefacts:
    """The artefacts in a folder, shared by any number of processes.

    Of processes that want the same at once one makes it and the others wait, or make other parts of it where the work
    says which are independent. A process killed at any moment leaves nothing that could be taken for an entry. A
    damaged entry is noticed (missing files, wrong sizes or headers), reported as a warning, and made again.

    What a process was given stays for as long as it lives: nobody prunes it.

    Parameters
    ----------
    folder: made if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def arrays(
        self,
        key: Mapping[str, Any],
        compute: Callable[[Pieces], Mapping[str, np.ndarray | Rows]],
        parts: Parts[np.ndarray] | None = None,
        what: str = "",
    ) -> dict[str, np.ndarray]:
        """The arrays that `compute` returns, from disk if computed before under this key.

        Parameters
        ----------
        key: everything the arrays depend on, as JSON values: hashes of inputs and weights, hyperparameters,
            versions.
        compute: called at most once; must be a function of the key alone. Array names are made of A-Z, a-z, 0-9,
            '_'. What it keeps as pieces is there again when it is called anew after an interruption.
        parts: pieces that can be made in any order, by name; all are there when `compute` is called. Asked for only
            where there is work to do.
        what: for people, what this is.

        Returns
        -------
        The arrays by name, mapped into memory copy-on-write: pages are read when touched and shared between
        processes; writing into an array changes this process's copy and never the entry.

        Raises
        ------
        CacheError
            The folder cannot be written (before anything is computed), or the disk is full.
        TypeError, ValueError
            The key is not JSON, or `compute` returned something else than named arrays of numbers.
        """

        def write(folder: Path, pieces: Pieces) -> dict[str, Any]:
            arrays = compute(pieces)
            check_arrays(arrays)
            with writing(self.folder):
                return _write_arrays(folder, arrays)

        return self._get(key, write, _open_arrays, parts, what)

    def texts(
        self,
        key: Mapping[str, Any],
        compute: Callable[[Pieces], Sequence[str]],
        parts: Parts[Sequence[str]] | None = None,
        what: str = "",
    ) -> Texts:
        """The texts that `compute` returns, from disk if computed before under this key.

        As `arrays`, but for what comes: every character is kept, those that end a text in other formats too. Texts that
        are kept as a piece come from `pieces.keep_texts`.

        Raises
        ------
        ValueError
            A text is no text: it holds half a character (a lone surrogate).
        """

        def write(folder: Path, pieces: Pieces) -> dict[str, Any]:
            arrays = packed(compute(pieces))
            with writing(self.folder):
                return {"kind": "texts", **_write_arrays(folder, arrays)}

        def packed_parts() -> dict[str, Callable[[], np.ndarray]]:
            assert parts is not None
            return {name: partial(_as_array, make) for name, make in parts().items()}

        return self._get({"texts": dict(key)}, write, _open_texts, parts and packed_parts, what)

    def directory(self, key: Mapping[str, Any], write: Callable[[Path], None], what: str = "") -> Path:
        """The folder that `write` fills, from disk if written before under this key; read-only.

        Parameters
        ----------
        write: is handed an empty folder. What it puts there must be a function of the key alone.
        key, what: as of `arrays`.

        Raises
        ------
        CacheError
            The folder of the artefacts cannot be written (before any work), or the disk is full.
        """

        def fill(folder: Path, pieces: Pieces) -> dict[str, Any]:
            (folder / CONTENT).mkdir()
            with writing(self.folder, FULL):  # what else goes wrong is not the disk's fault
                write(folder / CONTENT)
            return {"kind": "directory", "files": _sizes(folder / CONTENT)}

        whole = {"directory": dict(key)}
        self._get(whole, fill, _open_directory, None, what)
        return self.folder / _digest(_text(whole)) / CONTENT

    def _get(
        self,
        key: Mapping[str, Any],
        write: Callable[[Path, Pieces], dict[str, Any]],
        opened: Callable[[Path, dict[str, Any]], T],
        parts: Parts[np.ndarray] | None,
        what: str,
    ) -> T:
        text = _text(key)
        digest = _digest(text)
        entry = self.folder / digest
        in_use.note(self.folder, digest)  # before it is looked for: nobody takes away what was found
        if (found := _read(entry, text, opened)) is not None:
            return found
        limit = budget()
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            # refused now rather than after hours of work
            os.rmdir(tempfile.mkdtemp(prefix=f".{digest}.", dir=self.folder))
        in_use.note(self.folder, digest)
        pieces = Pieces(self.folder / f".{digest}.pieces")
        started = time.monotonic()
        if parts is not None:
            pieces.together(parts(), entry.exists)
        with _turn(self.folder / f".{digest}.lock", entry.exists, pieces.changed):
            if (found := _read(entry, text, opened)) is None:
                found = self._make(entry, text, lambda new: write(new, pieces), opened)
                provenance.write(entry, what, time.monotonic() - started)
                if limit is not None:
                    prune(self.folder, to=limit)
        pieces.remove()
        return found

    def _make(
        self,
        entry: Path,
        text: str,
        write: Callable[[Path], dict[str, Any]],
        opened: Callable[[Path, dict[str, Any]], T],
    ) -> T:
        """Write the entry and return it as the next process will read it, or return another process's equal one."""
        new = self.folder / f".{entry.name}.{secrets.token_hex(8)}"
        new.mkdir()  # mkdtemp would hide a shared cache's entry from everybody else
        try:
            described = {"key": json.loads(text), **write(new)}
            with writing(self.folder):
                _remove_leftovers(self.folder, entry.name)
                (new / KEY_FILE).write_text(json.dumps(described, indent=1))
                sync_tree(new)
                found = opened(new, described)  # before the rename: what is mapped now cannot be taken away any more
                while not rename_folder(new, entry):
                    if (theirs := _read(entry, text, opened)) is not None:
                        return theirs
                    remove(entry)
            return found
        finally:
            shutil.rmtree(new, ignore_errors=True)  # nothing is there any more where it was renamed


def _text(key: Mapping[str, Any]) -> str:
    return json.dumps(key, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _read(entry: Path, text: str, opened: Callable[[Path, dict[str, Any]], T]) -> T | None:
    """The content of an entry; None if it has to be made, with a warning if it is damaged."""
    try:
        stored = json.loads((entry / KEY_FILE).read_text())
        if _text(stored["key"]) != text:
            raise _Torn("it belongs to another key")
        found = opened(entry, stored)
    except FileNotFoundError:
        if not entry.exists():
            return None
        problem: Exception = _Torn("a file is missing")
    except PermissionError as error:
        raise CacheError(error.errno, f"the cache's entry {entry} may not be read: {error}") from error
    except (_Torn, OSError, ValueError, KeyError, TypeError) as error:
        problem = error
    else:
        provenance.used(entry)
        return found
    logger.warning("cache: %s is damaged (%s); making it again", entry, problem)
    return None


def _open_arrays(entry: Path, stored: dict[str, Any]) -> dict[str, np.ndarray]:
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


def _as_array(make: Callable[[], Sequence[str]]) -> np.ndarray:
    return as_json_array(make())


def _open_texts(entry: Path, stored: dict[str, Any]) -> Texts:
    return unpacked(_open_arrays(entry, stored))


def _open_directory(entry: Path, stored: dict[str, Any]) -> dict[str, int]:
    if (found := _sizes(entry / CONTENT)) != stored["files"]:
        wrong = sorted(name for name in found | stored["files"] if found.get(name) != stored["files"].get(name))
        raise _Torn(f"{wrong[0]} is missing, new, or of another size")
    return found


def _sizes(folder: Path) -> dict[str, int]:
    """The size of every file below a folder, by relative path."""
    found = {path.relative_to(folder).as_posix(): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    return dict(sorted(found.items()))


def _write_arrays(folder: Path, arrays: Mapping[str, np.ndarray | Rows]) -> dict[str, Any]:
    """Write each to a file and describe it as the entry will."""
    described = {}
    for name, array in arrays.items():
        with open(folder / f"{name}.npy", "wb") as file:
            if isinstance(array, Rows):
                _write_rows(file, name, array)
            else:
                np.save(file, array, allow_pickle=False)
            described[name] = {"dtype": array.dtype.str, "shape": list(array.shape), "bytes": file.tell()}
    return {"arrays": described}


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


def _remove_leftovers(folder: Path, digest: str) -> None:
    """Remove what killed processes left; its age distinguishes it from what others are writing now."""
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
    """Wait while another process makes the same entry.

    Only work is saved by it. Where locks do not work, or the other one comes no further, we make it as well.

    Parameters
    ----------
    changed: a number that is another whenever the other one has come further.
    """
    import filelock

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
                logger.info("cache: waiting for the process that makes the same (%s)", lock_file)
                told = True
            if (now := changed()) != last:
                waited_from, last = time.monotonic(), now
            if time.monotonic() - waited_from > LOCK_PATIENCE_SECONDS:
                logger.warning("cache: %s has been locked for hours; making it here too", lock_file)
                break
        except (OSError, NotImplementedError) as error:
            logger.warning("cache: %s cannot be locked (%s); continuing without", lock_file, error)
            break
    try:
        yield
    finally:
        lock.release()
