"""Dates that lie in the future: no run writes any, but a manifest may say of its machine what it likes."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from labelbench_plus.store.archive import ARCHIVE
from labelbench_plus.submission.findings import Finding

SLACK = 86_400.0  # seconds: clocks differ, and so do zones that a date does not name
NAMES_A_TIME = re.compile(
    r"(^|_)(time|date|at|on|started|ended|finished|created|modified|stamp|timestamp)$", re.IGNORECASE
)
MTIME = slice(4, 8)  # of the header of a gzip file: seconds since 1970, little-endian


def check_times(folder: Path, runs: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """Whether the archive or what a run says of its machine carries a time stamp that is yet to come."""
    latest = time.time() + SLACK
    with open(folder / ARCHIVE, "rb") as file:
        if (packed := int.from_bytes(file.read(8)[MTIME], "little")) > latest:
            yield _future(ARCHIVE, "", "the time in its header", packed)
    for run in runs:
        for field, value in _values(run["manifest"], "manifest"):
            if (found := _seconds(field, value)) is not None and found > latest:
                yield _future(ARCHIVE, run["run"], field, value)


def _future(file: str, run: str, field: str, value: Any) -> Finding:
    return Finding(file, "lies in the future", run, field, f"not after {time.strftime('%F')}", str(value)[:80])


def _seconds(field: str, value: Any) -> float | None:
    """Seconds since 1970 that a value stands for; None if it is no time."""
    if isinstance(value, str) and len(value) >= len("2000-01-01"):
        try:
            read = datetime.fromisoformat(value)
            return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            return None
    if isinstance(value, int | float) and NAMES_A_TIME.search(field.rpartition(".")[2]):
        return value / 1000 if value > 1e11 else float(value)  # in milliseconds
    return None


def _values(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from _values(part, f"{path}.{key}")
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from _values(part, f"{path}.{number}")
    else:
        yield path, value
