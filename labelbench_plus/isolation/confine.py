"""A process gives up what it does not need: files, other processes, the network (Linux' Landlock).

Needs no privilege and cannot be undone. See the kernel's userspace-api/landlock for the numbers.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterable
from pathlib import Path

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same on every architecture
ASK_VERSION, PATH_BENEATH, NO_NEW_PRIVILEGES = 1, 1, 38
EXECUTE, WRITE, READ, LIST, TRUNCATE, IOCTL = 1, 2, 4, 8, 2**14, 2**15
ALL_OF_FILES = {1: 2**13 - 1, 2: 2**14 - 1, 3: 2**15 - 1, 4: 2**15 - 1}  # what each version of the interface knows
ALL_OF_FILES_SINCE_5 = 2**16 - 1
OF_PLAIN_FILES = EXECUTE | WRITE | READ | TRUNCATE | IOCTL  # what makes sense for a file
TCP = 3  # bind and connect
SIGNALS_AND_SOCKETS = 3
LIBRARIES = ("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/local/lib", "/etc/ld.so.cache", "/opt")
KERNEL = ("/dev", "/sys/devices/system", "/proc/cpuinfo", "/proc/meminfo", "/proc/self", "/proc/driver")


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Rule(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def confine(readable: Iterable[Path], scratch: Path) -> str:
    """Leave this process (and what it starts) only the reading of some places and a folder to write to.

    Returns
    -------
    What holds from now on, in words. Without Landlock nothing does, and that is what it says.
    """
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
    version = libc.syscall(CREATE_RULESET, None, 0, ASK_VERSION) if libc is not None else -1
    if libc is None or version < 1:
        return "memory of its own; this system has no Landlock: files and processes are open to it"
    files = ALL_OF_FILES.get(version, ALL_OF_FILES_SINCE_5)
    rules = _Ruleset(files, TCP if version >= 4 else 0, SIGNALS_AND_SOCKETS if version >= 6 else 0)
    size = 8 if version < 4 else 16 if version < 6 else 24
    ruleset = libc.syscall(CREATE_RULESET, ctypes.byref(rules), size, 0)
    if ruleset < 0:
        return f"memory of its own; Landlock refused: {os.strerror(ctypes.get_errno())}"
    for place in {*readable, *map(Path, LIBRARIES)}:
        _allow(libc, ruleset, place, READ | LIST)
    for place in map(Path, KERNEL):
        _allow(libc, ruleset, place, (READ | WRITE | LIST | IOCTL) & files)
    _allow(libc, ruleset, scratch, files & ~EXECUTE)
    if libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) or libc.syscall(RESTRICT_SELF, ruleset, 0):
        return f"memory of its own; Landlock refused: {os.strerror(ctypes.get_errno())}"
    os.close(ruleset)
    return f"memory of its own; reads code alone, starts nothing (Landlock {version})" + (
        "; no TCP" if version >= 4 else ""
    )


def _allow(libc: ctypes.CDLL, ruleset: int, place: Path, rights: int) -> None:
    with contextlib.suppress(OSError):  # not every machine has every place
        descriptor = os.open(place, os.O_PATH | os.O_CLOEXEC)
        try:
            rule = _Rule(rights if place.is_dir() else rights & OF_PLAIN_FILES, descriptor)
            libc.syscall(ADD_RULE, ruleset, PATH_BENEATH, ctypes.byref(rule), 0)
        finally:
            os.close(descriptor)
