"""The state of a training in progress, kept in the run's folder so that a killed run continues in the middle.

A checkpoint is a shortcut, never a result: without it, or with one that cannot be read, training starts again and ends
with the same bits. One that cannot be written is a warning, and training goes on.
"""

from __future__ import annotations

import contextlib
import logging
import math
import re
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from labelbench_plus.store.atomic import publish_folder, remove, replace
from labelbench_plus.store.lease import Lease, LeaseLost

logger = logging.getLogger(__name__)

EVERY_SECONDS = 60.0
WRITING_SHARE = 0.05  # of the time, at most: large states on a slow disk are kept less often

_SECONDS = struct.Struct("<d")


class CheckpointFile:
    """One round's checkpoint: eight bytes with the seconds of training behind it, then the state.

    A folder is kept under a name of its own, `0003-0001` and so on: the latest counts, as no step replaces a folder by
    another. The seconds lie beside its content.

    Parameters
    ----------
    folder: of the run's checkpoints; made when something is kept.
    number: of the round.
    lease: the right to write to the run, checked before every write.

    Attributes
    ----------
    earlier_seconds: what earlier attempts had trained for until they kept what was loaded; 0 if nothing was.
    """

    def __init__(self, folder: Path, number: int, lease: Lease) -> None:
        self._folder, self._number, self._lease = folder, number, lease
        self._path = folder / f"{number:04d}.pt"
        self._start = self._last = time.monotonic()
        self._pause = EVERY_SECONDS
        self.earlier_seconds = 0.0

    def load(self) -> bytes | None:
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            logger.warning("%s cannot be read (%s); training starts again", self._path, error)
            return None
        self.earlier_seconds = _seconds_of(content)
        return content[_SECONDS.size :]

    def due(self) -> bool:
        return time.monotonic() - self._last >= self._pause

    def save(self, state: bytes) -> None:
        self._lease.check()
        with self._writing() as before:
            replace(self._path, _SECONDS.pack(self._seconds(before)) + state)

    def load_folder(self) -> Path | None:
        if not (kept := _kept(self._folder, self._number)):
            return None
        with contextlib.suppress(OSError):
            self.earlier_seconds = _seconds_of((kept[-1] / "seconds").read_bytes())
        return kept[-1] / "state"

    def save_folder(self, write: Callable[[Path], None]) -> None:
        self._lease.check()
        with self._writing() as before:

            def fill(folder: Path) -> None:
                (folder / "state").mkdir()
                write(folder / "state")
                (folder / "seconds").write_bytes(_SECONDS.pack(self._seconds(before)))

            earlier = _kept(self._folder, self._number)
            new = self._folder / f"{self._number:04d}-{_count(earlier[-1]) + 1 if earlier else 1:04d}"
            if not publish_folder(new, fill, self._lease.check):  # GBs take long: it may be lost meanwhile
                raise LeaseLost(f"{self._folder.parent.name}: somebody else keeps the training of round {self._number}")
            for folder in earlier:
                remove(folder)

    def _seconds(self, now: float) -> float:
        return self.earlier_seconds + now - self._start

    @contextlib.contextmanager
    def _writing(self) -> Iterator[float]:
        """Keep something from now on, as far as it can be kept, and see how long it takes."""
        before = time.monotonic()
        try:
            self._folder.mkdir(exist_ok=True)
            yield before
        except OSError as error:
            logger.warning(
                "%s: the training state cannot be saved (%s); training continues without", self._folder, error
            )
        self._last = time.monotonic()
        self._pause = max(EVERY_SECONDS, (self._last - before) / WRITING_SHARE)


def _seconds_of(content: bytes) -> float:
    """The seconds that a checkpoint begins with; 0 of one that is damaged."""
    if len(content) < _SECONDS.size:
        return 0.0
    (seconds,) = _SECONDS.unpack_from(content)
    return seconds if math.isfinite(seconds) and seconds >= 0 else 0.0


def _kept(folder: Path, number: int) -> list[Path]:
    """The folders kept of a round, the latest last: `0003-0001`, `0003-0002`."""
    name = re.compile(rf"{number:04d}-[0-9]+")
    return sorted((path for path in folder.glob(f"{number:04d}-*") if name.fullmatch(path.name)), key=_count)


def _count(kept: Path) -> int:
    return int(kept.name.rpartition("-")[2])


def remove_before(folder: Path, number: int) -> None:
    """Remove the checkpoints of rounds before `number`, as far as they can be removed."""
    with contextlib.suppress(OSError):
        for path in folder.glob("[0-9]*"):
            if (found := re.match(r"[0-9]+", path.name)) and int(found[0]) < number:
                remove(path)
