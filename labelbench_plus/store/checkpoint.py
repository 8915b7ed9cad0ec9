"""The state of a training that is under way, kept in the run's folder so that a killed run goes on in the middle.

A checkpoint is a shortcut, never a result: without it, or with one that cannot be read, training starts again and ends
with the same bits.
"""

from __future__ import annotations

import time
from pathlib import Path

from labelbench_plus.store.atomic import replace
from labelbench_plus.store.lease import Lease

EVERY_SECONDS = 60.0


class CheckpointFile:
    """One round's checkpoint.

    Parameters
    ----------
    folder: of the run's checkpoints; made when something is kept.
    number: of the round.
    lease: the right to write to the run, checked before every write.
    """

    def __init__(self, folder: Path, number: int, lease: Lease) -> None:
        self._path, self._lease = folder / f"{number:04d}.pt", lease
        self._last = time.monotonic()

    def load(self) -> bytes | None:
        try:
            return self._path.read_bytes()
        except FileNotFoundError:
            return None

    def due(self) -> bool:
        return time.monotonic() - self._last >= EVERY_SECONDS

    def save(self, state: bytes) -> None:
        self._lease.check()
        self._path.parent.mkdir(exist_ok=True)
        replace(self._path, state)
        self._last = time.monotonic()


def remove_before(folder: Path, number: int) -> None:
    """Remove the checkpoints of rounds before `number`."""
    for path in folder.glob("[0-9]*.pt"):
        if int(path.stem) < number:
            path.unlink(missing_ok=True)
