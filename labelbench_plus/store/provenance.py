"""Where an artefact comes from: a small JSON file beside it, whose modification time is the time of the last use."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelbench_plus.store.atomic import replace

KEY_FILE = "key.json"
"""In an entry: what it is made from, and what its content should look like."""


def file_of(entry: Path) -> Path:
    return entry.with_name(f"{entry.name}.json")


def write(entry: Path, what: str, seconds: float) -> None:
    """Record how an entry was just made, and the seconds it took."""
    by = {"host": socket.gethostname(), "pid": os.getpid(), "arguments": sys.argv}
    about = {"what": what, "made": time.time(), "seconds": seconds, "bytes": size_of(entry), "by": by}
    with suppress(OSError):  # it is for people; the entry is there without
        replace(file_of(entry), json.dumps(about, indent=1).encode())


def used(entry: Path) -> None:
    """Record that an entry is used now. Entries older than such records get one."""
    try:
        os.utime(file_of(entry))
    except FileNotFoundError:
        with suppress(OSError):
            about = {"what": "", "made": entry.stat().st_mtime, "seconds": None, "bytes": size_of(entry), "by": None}
            replace(file_of(entry), json.dumps(about, indent=1).encode())
    except OSError:
        pass


@dataclass(frozen=True)
class Provenance:
    """What is known of an entry: what it is, when it was made, in how many seconds, by whom, its size, its last use."""

    what: str
    made: float
    seconds: float | None
    bytes: int
    by: dict[str, Any] | None
    last_use: float


def read(entry: Path) -> Provenance:
    """What is known of an entry; of one without a note, what its files tell.

    Raises
    ------
    FileNotFoundError
        It is not there any more.
    """
    file = file_of(entry)
    try:
        return Provenance(**json.loads(file.read_bytes()), last_use=file.stat().st_mtime)
    except (FileNotFoundError, ValueError, TypeError):
        made = entry.stat().st_mtime
        return Provenance("", made, None, size_of(entry), None, made)


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder; those that vanish meanwhile do not count."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(place, name)).st_size
    return total
