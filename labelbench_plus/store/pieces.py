"""Parts of long work on one artefact, each saved as soon as it is done."""

from __future__ import annotations

import errno
import logging
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np

from labelbench_plus.store.atomic import replacing
from labelbench_plus.store.packed_texts import as_json_array, from_json_array

ARRAY_NAME = re.compile(r"[A-Za-z0-9_]+")
LOOK_SECONDS = 1.0  # between two looks at pieces that others make
PATIENCE_SECONDS = 6 * 3600.0
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})

T = TypeVar("T")
Parts = Callable[[], Mapping[str, Callable[[], T]]]
"""Pieces that can be made in any order, by name, each as the function that makes it."""

logger = logging.getLogger(__name__)


class CacheError(OSError):
    """The cache cannot be written or read. The message names the folder, the reason and the remedy."""


class Pieces:
    """The finished pieces of an artefact: a killed process loses only its current piece.

    Whoever takes up the work, in this process or another, finds those that are done. They go when the artefact is
    there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, name: str, make: Callable[[], np.ndarray]) -> np.ndarray:
        """The array that `make` returns, mapped from disk; not made again if it exists.

        Parameters
        ----------
        name: of A-Z, a-z, 0-9, '_'.
        make: a function of the artefact's key and the name alone.

        Raises
        ------
        CacheError
            It cannot be written.
        """
        file = self._file(name)
        try:
            return np.load(file, mmap_mode="c", allow_pickle=False).view(np.ndarray)
        except FileNotFoundError:
            pass
        except (OSError, ValueError, EOFError) as error:  # fewer bytes than its header says are a ValueError
            logger.warning("cache: %s is damaged (%s); making it again", file, error)
        array = make()
        check_arrays({name: array})
        with writing(self._folder.parent):
            self._folder.mkdir(exist_ok=True)
            with replacing(file) as new, open(new, "wb") as opened:
                np.save(opened, array, allow_pickle=False)
            return np.load(file, mmap_mode="c", allow_pickle=False).view(np.ndarray)

    def keep_texts(self, name: str, make: Callable[[], Sequence[str]]) -> list[str]:
        """The texts that `make` returns; as `keep`."""
        return from_json_array(self.keep(name, lambda: as_json_array(make())))

    def together(self, parts: Mapping[str, Callable[[], np.ndarray]], done: Callable[[], bool]) -> None:
        """Make these in any order, along with other processes. Returns when all exist.

        A piece is claimed before it is made. The claim of a process that is killed ends with it; where locks do not
        work, or nothing comes for hours, everybody makes everything.

        Parameters
        ----------
        done: whether the artefact is there, and with it the end of the pieces.
        """
        with writing(self._folder.parent):
            self._folder.mkdir(exist_ok=True)
        waited_from, before = time.monotonic(), len(parts)
        while (left := [name for name in parts if not self._file(name).exists()]) and not done():
            if len(left) < before:
                waited_from, before = time.monotonic(), len(left)
            patient, made = time.monotonic() - waited_from < PATIENCE_SECONDS, False
            for name in left:
                with self._claim(name, patient) as mine:
                    if mine and not self._file(name).exists() and not done():
                        self.keep(name, parts[name])
                        made = True
            if not made:
                time.sleep(LOOK_SECONDS)

    def changed(self) -> float:
        """When the last piece was done, in seconds since 1970; 0 if there is none."""
        try:
            return self._folder.stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def remove(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.npy"

    @contextmanager
    def _claim(self, name: str, patient: bool) -> Iterator[bool]:
        import filelock

        lock = filelock.FileLock(self._folder / f".{name}.claim")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            yield not patient
            return
        except (OSError, NotImplementedError):  # no locks, or the artefact is there and the folder went with the pieces
            yield True
            return
        try:
            yield True
        finally:
            lock.release()


def check_arrays(arrays: object) -> None:
    """Refuse what is not named arrays of numbers, or rows that are going to be one.

    Raises
    ------
    TypeError, ValueError
    """
    if not isinstance(arrays, dict) or not all(hasattr(array, "dtype") for array in arrays.values()):
        raise TypeError("compute() must return a dict of NumPy arrays")
    for name, array in arrays.items():
        if not ARRAY_NAME.fullmatch(name):
            raise ValueError(f"compute(): array name {name!r} must be made of A-Z, a-z, 0-9 and '_'")
        if array.dtype.hasobject:
            raise TypeError(f"compute(): array {name!r} holds Python objects")


@contextmanager
def writing(folder: Path, only: frozenset[int] | None = None) -> Iterator[None]:
    """Turn any failure to write below `folder` into one clear error; only errors of the kinds `only`, if given."""
    try:
        yield
    except CacheError:
        raise
    except OSError as error:
        if only is not None and error.errno not in only:
            raise
        raise CacheError(
            error.errno or errno.EIO,
            f"the cache {folder} cannot be written: {error.strerror or error}. Free some space (lbp cache prune), make "
            "it writable, or choose another folder with the environment variable LBP_CACHE",
        ) from error
