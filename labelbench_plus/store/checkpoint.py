"""The state of a training that is under way, kept in the run's folder so that a killed run goes on in the middle.

A checkpoint is a shortcut, never a result: without it, or with one that cannot be read, training starts again and ends
with the same bits.
"""

from __future__ import annotations

import struct
import time
from pathlib import Path

from labelbench_plus.store.atomic import replace
from labelbench_plus.store.lease import Lease

EVERY_SECONDS = 60.0
WRITING_SHARE = 0.05  # of the time, at most: large states on a slow disk are kept less often

_SECONDS = struct.Struct("<d")


class CheckpointFile:
    """One round's checkpoint: eight bytes with the seconds of training behind it, then the state.

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
        self._path, self._lease = folder / f"{number:04d}.pt", lease
        self._start = self._last = time.monotonic()
        self._pause = EVERY_SECONDS
        self.earlier_seconds = 0.0

    def load(self) -> bytes | None:
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return None
        if len(content) >= _SECONDS.size:
            (self.earlier_seconds,) = _SECONDS.unpack_from(content)
        return content[_SECONDS.size :]

    def due(self) -> bool:
        return time.monotonic() - self._last >= self._pause

    def save(self, state: bytes) -> None:
        self._lease.check()
        self._path.parent.mkdir(exist_ok=True)
        before = time.monotonic()
        replace(self._path, _SECONDS.pack(self.earlier_seconds + before - self._start) + state)
        self._last = time.monotonic()
        self._pause = max(EVERY_SECONDS, (self._last - before) / WRITING_SHARE)


def remove_before(folder: Path, number: int) -> None:
    """Remove the checkpoints of rounds before `number`."""
    for path in folder.glob("[0-9]*.pt"):
        if int(path.stem) < number:
            path.unlink(missing_ok=True)
