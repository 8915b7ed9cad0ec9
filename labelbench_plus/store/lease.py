"""One writer a run: attempts are numbered files, and the highest number holds the run.

`attempts/0001.json` is created in one step by `link`, which fails if it exists, so of two processes that want to
start attempt 1 exactly one gets it. Attempt n + 1 may be created only when attempt n has ended or is dead: its process
is gone (same machine), or its heartbeat, the file's modification time, has stood still too long (another machine). A
scheduler, where there is one, knows more than a heartbeat: it is asked through `Judge`. No `flock`, which some network
file systems ignore. A holder that lost its lease finds a higher number before its next commit and stops; had it
committed all the same, the commit would have been compared with the other's, byte for byte.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelbench_plus.store.atomic import publish, replace

HEARTBEAT_SECONDS = 15.0
STALE_SECONDS = 120.0

Judge = Callable[[dict[str, Any]], bool | None]
"""Says of an attempt's record whether its job still exists (True), is certainly over (False) or nobody knows (None)."""


class RunBusy(Exception):
    """Another process is working on the run. The message says which."""


class LeaseLost(Exception):
    """Another process took the run over while this one was away."""


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
        """Raise `LeaseLost` if somebody else holds the run now."""
        if _latest(self.folder) != self.number:
            raise LeaseLost(f"{self.folder.parent.name}: attempt {_latest(self.folder)} took over")

    def release(self, outcome: str, detail: str = "", **facts: Any) -> None:
        """Give the run back, saying what is known, and how the attempt ended.

        Parameters
        ----------
        outcome: "finished", "stopped", "waiting" (for somebody's answers) or "failed".
        """
        self._stop.set()
        self._heart.join()
        replace(self._path, json.dumps({**self.record, "ended": outcome, "detail": detail, **facts}).encode())

    @property
    def _path(self) -> Path:
        return self.folder / f"{self.number:04d}.json"

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
    """
    latest = _latest(folder)
    if latest and (other := _alive(folder / f"{latest:04d}.json", judge)):
        raise RunBusy(f"{folder.parent.name} is being computed by {other}")
    me = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started": _process_start(os.getpid()),
        "arguments": sys.argv,
        **about,
    }
    path = folder / f"{latest + 1:04d}.json"
    if not publish(path, json.dumps(me).encode()):
        raise RunBusy(f"{folder.parent.name} was just taken by {_alive(path) or 'another process'}")
    return Lease(folder, latest + 1, me)


def attempts(folder: Path) -> list[dict[str, Any]]:
    """Every attempt noted in `folder`, oldest first."""
    return [json.loads(path.read_bytes()) for path in sorted(folder.glob("[0-9]*.json"))]


def conclude(folder: Path, outcome: str, detail: str, **facts: Any) -> None:
    """Note how the latest attempt ended, for a process of this machine that could not say so itself, or not why."""
    path = folder / f"{_latest(folder):04d}.json"
    with contextlib.suppress(FileNotFoundError):
        record = json.loads(path.read_bytes())
        if record["host"] == socket.gethostname() and not record.get("detail") and not _alive(path):
            record = {"ended": outcome, **record, "detail": detail, **facts}
            replace(path, json.dumps(record).encode())


def holder(record: dict[str, Any], heartbeat_age: float) -> str | None:
    """Who an attempt is held by, or None if it has ended or died, going by its record and its heartbeat alone."""
    if "ended" in record:
        return None
    name = f"process {record['pid']} on {record['host']}" + (f" (job {record['job']})" if record.get("job") else "")
    if record["host"] == socket.gethostname():
        # The start time tells a process from a later one that was given the same number.
        return name if _process_start(record["pid"]) == record["started"] else None
    return name if heartbeat_age < STALE_SECONDS else None


def _latest(folder: Path) -> int:
    return max((int(path.stem) for path in folder.glob("[0-9]*.json")), default=0)


def _alive(path: Path, judge: Judge = lambda record: None) -> str | None:
    """Who holds the attempt in `path`, or None if it has ended or died."""
    record = json.loads(path.read_bytes())
    if "ended" in record or record["host"] == socket.gethostname():
        return holder(record, 0.0)
    exists = judge(record)
    if exists is False:
        return None
    return holder(record, 0.0 if exists else _age(path))


def _age(path: Path) -> float:
    """Seconds since `path` was touched, by the clock of the file system it is on rather than this machine's."""
    probe = path.with_name(f".clock-{uuid.uuid4().hex}")
    probe.touch()
    try:
        return probe.stat().st_mtime - path.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)


def _process_start(pid: int) -> float | None:
    """When a process of this machine started, or None if there is none."""
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.NoSuchProcess:
        return None
