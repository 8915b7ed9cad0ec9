"""Which files a process may still open: Linux' Landlock. Needs no privilege and cannot be undone.

See the kernel's userspace-api/landlock for the numbers. Beside opening files it keeps a process from tracing others
and, in its later versions, from TCP, from abstract sockets and from sending signals.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterable
from pathlib import Path

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same on every architecture
ASK_VERSION, PATH_BENEATH, NO_NEW_PRIVILEGES = 1, 1, 38
EXECUTE, WRITE, READ, LIST, REMOVE_FOLDER, REMOVE_FILE, MAKE_FOLDER, MAKE_FILE = 1, 2, 4, 8, 16, 32, 128, 256
TRUNCATE, IOCTL = 2**14, 2**15
SCRATCH = WRITE | READ | LIST | REMOVE_FOLDER | REMOVE_FILE | MAKE_FOLDER | MAKE_FILE | TRUNCATE
ALL_OF_FILES = {1: 2**13 - 1, 2: 2**14 - 1, 3: 2**15 - 1, 4: 2**15 - 1}  # what each version of the interface knows
ALL_OF_FILES_SINCE_5 = 2**16 - 1
OF_PLAIN_FILES = EXECUTE | WRITE | READ | TRUNCATE | IOCTL  # what makes sense for a file
TCP = 3  # bind and connect
SIGNALS_AND_SOCKETS = 3


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Rule(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def restrict_files(places: Iterable[tuple[Path, int]]) -> tuple[int, str]:
    """Restrict this process, which must have one thread, to some places and everything below them, with given rights.

    Returns
    -------
    The version of Landlock that holds from now on, 0 for none; and why there is none.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(CREATE_RULESET, None, 0, ASK_VERSION)
    if version < 1:
        return 0, "this kernel has no Landlock, or it is switched off"
    files = ALL_OF_FILES.get(version, ALL_OF_FILES_SINCE_5)
    rules = _Ruleset(files, TCP if version >= 4 else 0, SIGNALS_AND_SOCKETS if version >= 6 else 0)
    size = 8 if version < 4 else 16 if version < 6 else 24
    ruleset = libc.syscall(CREATE_RULESET, ctypes.byref(rules), size, 0)
    if ruleset < 0:
        return 0, f"Landlock refused: {os.strerror(ctypes.get_errno())}"
    for place, rights in places:
        _allow(libc, ruleset, place, rights & files)
    if libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) or libc.syscall(RESTRICT_SELF, ruleset, 0):
        return 0, f"Landlock refused: {os.strerror(ctypes.get_errno())}"
    os.close(ruleset)
    return version, ""


def _allow(libc: ctypes.CDLL, ruleset: int, place: Path, rights: int) -> None:
    with contextlib.suppress(OSError):  # not every machine has every place
        descriptor = os.open(place, os.O_PATH | os.O_CLOEXEC)
        rule = _Rule(rights if place.is_dir() else rights & OF_PLAIN_FILES, descriptor)
        libc.syscall(ADD_RULE, ruleset, PATH_BENEATH, ctypes.byref(rule), 0)
        if place.parts[:2] != ("/", "proc"):  # the kernel makes those anew, as others, once nobody holds them
            os.close(descriptor)
