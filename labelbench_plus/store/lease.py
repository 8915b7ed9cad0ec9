"""One writer per run: attempts are numbered files, and the highest number holds the run.

`attempts/0001.json` is created in one step, which fails if it exists (see atomic.py), so of two processes that want to
start attempt 1 exactly one gets it. Attempt n + 1 may be created only when attempt n has ended or is dead: its process
is gone, where that can be seen from here (see holder.py); else its heartbeat, the file's modification time, has stood
still too long by the file server's clock. A scheduler, where there is one, knows more than a heartbeat: it is asked
through `Judge`. No `flock`, which some network file systems ignore. A holder that lost its lease finds a higher number
before its next commit and stops; had it committed all the same, the commit would have been compared with the other's,
byte for byte.

A record that cannot be read says nothing, and holds the run for as long as it beats.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelbench_plus.store import holder, told
from labelbench_plus.store.atomic import TemporaryLost, file_server_time, publish, replace
from labelbench_plus.store.numbered import file_name, numbered
from labelbench_plus.store.readable import Readable

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 15.0
STALE_SECONDS = 120.0
GIVEN_UP, LONG_AGO = 0.0, 631_152_000.0
"""The heartbeat of a holder that released the run but could not record how: a full disk still allows setting a date.
Some file systems hold no date before 1980, so that any before 1990 says so."""

Judge = Callable[[dict[str, Any]], bool | None]
"""Whether the job of an attempt's record still exists (True), has certainly ended (False), or is unknown (None)."""

_held: set[str] = set()  # tokens of the leases that this process holds


class RunBusy(Exception):
    """Another process is working on the run. The message says which."""


class LeaseLost(Exception):
    """Another process took over the run while this one was suspended."""


@dataclass
class Lease:
    """The right to write to a run, held from `acquire` to `release`."""

    folder: Path
    number: int
    record: dict[str, Any]

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._heart = threading.Thread(target=self._beat, daemon=True)
        self._heart.start()

    def check(self) -> None:
        """Raise `LeaseLost` if another process holds the run now."""
        if (latest := _latest(self.folder)) != self.number:
            how = f"attempt {latest} took over" if latest > self.number else f"its attempt {self.number} was removed"
            raise LeaseLost(f"{self.folder.parent.name}: {how}")

    def release(self, outcome: str, detail: str = "", **facts: Any) -> None:
        """Release the run, and record how the attempt ended.

        It is given back even where that cannot be written down, which is a warning: how an attempt ended is no result.

        Parameters
        ----------
        outcome: "finished", "stopped", "waiting" (for somebody's answers) or "failed".
        """
        self._stop.set()
        self._heart.join()
        _give_up(self._path, {**self.record, "ended": outcome, "detail": detail, **facts})

    @property
    def _path(self) -> Path:
        return self.folder / file_name(self.number)

    def _beat(self) -> None:
        while not self._stop.wait(HEARTBEAT_SECONDS):
            with contextlib.suppress(OSError):  # a file system hiccup must not end the run; staleness is generous
                os.utime(self._path)


def acquire(folder: Path, judge: Judge = lambda record: None, **about: Any) -> Lease:
    """Become the writer of the run whose attempts are in `folder`.

    Parameters
    ----------
    folder: the run's `attempts` folder, which exists.
    judge: asked about a holder on another machine before its lease is taken.
    about: what else to note about this attempt (JSON values).

    Raises
    ------
    RunBusy
        Somebody alive holds the run, or was quicker.
    OSError
        The attempt cannot be written down.
    """
    latest, run = _latest(folder), folder.parent.name
    if latest and (other := _alive(folder, latest, judge)):
        raise RunBusy(f"{run} is being computed by {other}")
    number = latest + 1
    me = {**holder.identity(), "token": uuid.uuid4().hex, "arguments": sys.argv, **about}
    path = folder / file_name(number)
    _held.add(me["token"])
    try:
        mine = publish(path, json.dumps(me).encode()) or _is_mine(path, me)
    except BaseException as error:
        _held.discard(me["token"])
        if isinstance(error, TemporaryLost):
            raise RunBusy(f"{run} was just taken by another process") from error
        if _is_mine(path, me):  # the name was made all the same, and nobody else would give it back
            _give_up(path, {**me, "ended": "stopped", "detail": f"{type(error).__name__}: {error}"})
        raise
    if mine:
        return Lease(folder, number, me)
    _held.discard(me["token"])
    raise RunBusy(f"{run} was just taken by {_alive(folder, number) or 'another process'}")


def holder_of(folder: Path) -> str | None:
    """Who holds the run whose attempts are in `folder`; None if nobody does."""
    return _alive(folder, latest) if (latest := _latest(folder)) else None


def attempts(folder: Readable) -> list[dict[str, Any]]:
    """Every attempt recorded in `folder`, oldest first, each with its `number`.

    One whose record cannot be read says nothing but that, as `unreadable`. One that ended and could not write how has
    `ended` as "given up".
    """
    found = []
    for number in numbered(folder):
        with contextlib.suppress(FileNotFoundError):
            found.append(read_attempt(folder, number))
    return found


def read_attempt(folder: Readable, number: int) -> dict[str, Any]:
    """The record of an attempt, as in `attempts`.

    Raises
    ------
    FileNotFoundError
        There is no such attempt.
    """
    path = folder / file_name(number)
    try:
        record = json.loads(path.read_bytes())
        if not isinstance(record, dict):
            raise ValueError("no JSON object")
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        told.once(path, error)
        record = {"host": "?", "pid": "?", "unreadable": str(error)}
    if "ended" not in record and path.stat().st_mtime < LONG_AGO:
        record["ended"] = "given up"
    return {**record, "number": number}


def conclude(folder: Path, outcome: str, detail: str, **facts: Any) -> bool:
    """Record how the latest attempt ended, for a process of this machine that could not do so itself, or not why.

    Returns whether it is noted: not if there is no such attempt, it says so itself, somebody holds it, or nothing can
    be written.
    """
    number = _latest(folder)
    try:
        record = read_attempt(folder, number)
        if holder.lives(record) is None or record.get("detail") or _alive(folder, number):
            return False
        del record["number"]
        if record.get("ended") in (None, "given up"):
            record["ended"] = outcome
        noted = {**record, "detail": detail, **facts}
        replace(folder / file_name(number), json.dumps(noted).encode())
    except OSError:
        return False
    return True


def held_by(record: dict[str, Any], age: float) -> str | None:
    """The holder of an attempt, or None if it has ended or died, judging by its record and heartbeat alone.

    Parameters
    ----------
    age: seconds since its heartbeat, as `heartbeat_age` counts them.
    """
    if "ended" in record:
        return None
    alive = record.get("token") in _held if holder.is_me(record) else holder.lives(record)
    if not (age < STALE_SECONDS if alive is None else alive):
        return None
    if "unreadable" in record:
        return f"an unknown process (attempt {record['number']} cannot be read)"
    job = f" (job {record['job']})" if record.get("job") else ""
    return f"process {record.get('pid')} on {record.get('host')}{job}"


def heartbeat_age(path: Path, now: float) -> float:
    """Seconds since the heartbeat of the attempt in `path`.

    Parameters
    ----------
    now: by the clock of the file system that it is on.
    """
    if (age := now - path.stat().st_mtime) >= -HEARTBEAT_SECONDS:
        return age
    try:  # a clock was set back: whoever is alive beats again, by the clock of now, and of the dead this was the last
        os.utime(path)
    except OSError:  # it is somebody else's
        return -age
    return 0.0


def _latest(folder: Path) -> int:
    return max(numbered(folder), default=0)


def _alive(folder: Path, number: int, judge: Judge = lambda record: None) -> str | None:
    """The holder of an attempt, or None if it has ended or died."""
    path = folder / file_name(number)
    try:
        record = read_attempt(folder, number)
        if "ended" in record:
            return None
        if holder.lives(record) is not None:
            return held_by(record, 0.0)
        exists = judge(record)
        if exists is None:
            return held_by(record, heartbeat_age(path, file_server_time(folder)))
        return held_by(record, 0.0) if exists else None
    except FileNotFoundError:
        return None


def _is_mine(path: Path, me: dict[str, Any]) -> bool:
    with contextlib.suppress(OSError):
        return path.read_bytes() == json.dumps(me).encode()
    return False


def _give_up(path: Path, record: dict[str, Any]) -> None:
    """Record how an attempt of this process ended, or at least that it no longer holds the run."""
    _held.discard(record["token"])
    try:
        replace(path, json.dumps(record).encode())
    except OSError as error:
        logger.warning("%s: that it %s could not be written down: %s", path, record["ended"], error)
        with contextlib.suppress(OSError):
            os.utime(path, (GIVEN_UP, GIVEN_UP))
