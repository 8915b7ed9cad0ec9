"""The identity of a process, by which others can tell whether it still exists.

A host's name and a process's number do not say it: containers share both, and numbers are given anew. Nor does the time
at which it started, as clocks are set. On Linux a process is one of a boot (`boot_id`), in a namespace of processes,
with a number, and with the tick since the boot at which it started.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PLACE = ("host", "boot", "namespace")
"""What two processes share if they can see each other's process ids."""

GONE = "ZXx"  # states of a process that has ended, and may not have been waited for


def identity() -> dict[str, Any]:
    """This process as plain values: `host`, `pid`, `started` (for people), and where it has them `boot`, `namespace`,
    `ticks`."""
    return dict(_identity(os.getpid()))


def lives(record: Mapping[str, Any]) -> bool | None:
    """Whether the process with an `identity` still exists; None if that cannot be seen from here."""
    mine, pid = identity(), record.get("pid")
    if any(record.get(name) != mine.get(name) for name in PLACE) or not isinstance(pid, int) or pid < 1:
        return None
    if "boot" not in mine:
        return None if mine["started"] is None else _started(pid) == record.get("started")
    try:
        if os.readlink("/proc/self") != str(os.getpid()):  # mounted for another namespace: its numbers are others'
            return None
        state, ticks = _stat(str(pid))
    except (FileNotFoundError, ProcessLookupError):
        return None if _hidden(pid) else False
    except OSError:
        return None
    return state not in GONE and ticks == record.get("ticks")


def is_me(record: Mapping[str, Any]) -> bool:
    """Whether this process has that `identity`."""
    return all(record.get(name) == value for name, value in identity().items())


def place() -> str:
    """Short for the place where this process can be seen: its host, boot and namespace."""
    mine = identity()
    return hashlib.sha256(repr([mine.get(name) for name in PLACE]).encode()).hexdigest()[:8]


def start() -> str:
    """When this process started, as a word that no other process with its id has."""
    mine = identity()
    return str(mine.get("ticks", mine["started"]))


def process_name(pid: int) -> str:
    """A name for a process of this machine, unique since boot: `host:pid:start`.

    One that is not there, or has ended, has a name that ends with a colon.
    """
    start: object = _started(pid)
    with contextlib.suppress(OSError):
        state, ticks = _stat(str(pid))
        start = None if state in GONE else f"{_boot()[:8]}-{ticks}"
    return f"{socket.gethostname()}:{pid}:{'' if start is None else start}"


@functools.lru_cache(maxsize=1)
def _identity(pid: int) -> dict[str, Any]:  # a fork is another process
    about: dict[str, Any] = {"host": socket.gethostname(), "pid": pid, "started": _started(pid)}
    with contextlib.suppress(OSError):
        boot = _boot()
        namespace = os.stat("/proc/self/ns/pid").st_ino
        about |= {"boot": boot, "namespace": namespace, "ticks": _stat("self")[1]}
    return about


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _stat(pid: str) -> tuple[str, int]:
    """State and starting tick of a process, fields 3 and 22 of its `stat`: see proc_pid_stat(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    return fields[0], int(fields[19])


def _hidden(pid: int) -> bool:
    """Whether there is a process that we may not look at."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _started(pid: int) -> float | None:
    """When a process started, by the clock of its machine; None if there is none."""
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except (psutil.Error, OSError):
        return None
