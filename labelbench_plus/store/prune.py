"""What a cache holds, and making room in it: the least recently used goes first, what is in use stays."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from labelbench_plus.store import in_use, provenance
from labelbench_plus.store.atomic import TEMPORARY, remove
from labelbench_plus.store.provenance import KEY_FILE

BUDGET = "LBP_CACHE_BUDGET"
LEFTOVER_SECONDS = 24 * 3600.0
NO_LOCKS_SECONDS = 7 * 24 * 3600.0  # where the file system has no locks, what was used since may be in use

ENTRY = re.compile(r"[0-9a-f]{64}")
PIECES = re.compile(r"\.([0-9a-f]{64})\.pieces")
LEFTOVER = re.compile(rf"\.[0-9a-f]{{64}}\.\w+|{re.escape(TEMPORARY)}[\w.-]+")
SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)b?", re.IGNORECASE)
AGE = re.compile(r"(\d+(?:\.\d+)?)\s*([hdw])", re.IGNORECASE)
POWERS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
HOURS = {"h": 1, "d": 24, "w": 7 * 24}

Kind = Literal["arrays", "texts", "directory", "unfinished"]


@dataclass(frozen=True)
class Entry:
    """One artefact in a cache, or the pieces of one that is not finished.

    Attributes
    ----------
    id: the hash of its key.
    key: what it is made from; None where nobody can tell (unfinished, or damaged).
    about: where it comes from.
    """

    id: str
    kind: Kind
    path: Path
    key: dict[str, Any] | None
    about: provenance.Provenance

    @property
    def bytes(self) -> int:
        return self.about.bytes

    def used(self) -> bool:
        """Whether a process uses or makes it now, as far as can be told."""
        with in_use.alone_with(self.path.parent, self.id) as state:
            return not self._free(state)

    def remove(self) -> bool:
        """Remove it unless in use. Returns whether it was removed."""
        with in_use.alone_with(self.path.parent, self.id) as state:
            if not self._free(state):
                return False
            remove(self.path)
            if self.kind != "unfinished":
                provenance.file_of(self.path).unlink(missing_ok=True)
            return True

    def _free(self, state: in_use.Alone) -> bool:
        return state == "alone" or (state == "unknown" and time.time() - self.about.last_use > NO_LOCKS_SECONDS)


def entries(folder: Path) -> list[Entry]:
    """Everything in a cache, most recently used last. Files that are not artefacts are skipped."""
    found = []
    with suppress(FileNotFoundError):
        for path in folder.iterdir():
            with suppress(FileNotFoundError):  # gone meanwhile
                if ENTRY.fullmatch(path.name):
                    found.append(_entry(path))
                elif pieces := PIECES.fullmatch(path.name):
                    made = path.stat().st_mtime
                    about = provenance.Provenance("", made, None, provenance.size_of(path), None, made)
                    found.append(Entry(pieces[1], "unfinished", path, None, about))
    return sorted(found, key=lambda entry: (entry.about.last_use, entry.id))


def prune(
    folder: Path, *, to: int | None = None, older_than: float | None = None, dry_run: bool = False
) -> list[Entry]:
    """Remove unused artefacts, and what killed processes left.

    Parameters
    ----------
    to: bytes that may stay; as many of the least recently used ones go as it takes.
    older_than: seconds; all that were not used since go.
    dry_run: remove nothing.

    Returns
    -------
    What was removed, or would be.
    """
    known = entries(folder)
    total, removed = sum(entry.bytes for entry in known), []
    for entry in known:
        old = older_than is not None and time.time() - entry.about.last_use > older_than
        if not old and (to is None or total <= to):
            continue
        if (not entry.used()) if dry_run else entry.remove():
            total -= entry.bytes
            removed.append(entry)
    if not dry_run:
        for leftover in leftovers(folder):
            shutil.rmtree(leftover, ignore_errors=True)
    return removed


def leftovers(folder: Path) -> Iterator[Path]:
    """Folders that killed processes left half-written or half-removed; their age tells them from active ones."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if LEFTOVER.fullmatch(path.name) and not PIECES.fullmatch(path.name):
            with suppress(FileNotFoundError):
                if path.is_dir() and time.time() - path.stat().st_mtime > LEFTOVER_SECONDS:
                    yield path


def budget() -> int | None:
    """How many bytes the cache may hold: `$LBP_CACHE_BUDGET`, as in "200GB"; None for no limit.

    Raises
    ------
    ValueError
        It is no size.
    """
    text = os.environ.get(BUDGET, "")
    try:
        return size(text) if text else None
    except ValueError as error:
        raise ValueError(f"environment variable {BUDGET}: {error}") from None


def size(text: str) -> int:
    """Bytes of a text such as "10GB", "1.5 TB" or "4096".

    Raises
    ------
    ValueError
        It is no size.
    """
    if not (found := SIZE.fullmatch(text.strip())):
        raise ValueError(f"{text!r} is no size; expected a number with kB, MB, GB or TB, such as 10GB")
    return int(float(found[1]) * POWERS[found[2].lower()])


def age(text: str) -> float:
    """Seconds of a text such as "30d", "12h" or "2w".

    Raises
    ------
    ValueError
        It is no age.
    """
    if not (found := AGE.fullmatch(text.strip())):
        raise ValueError(f"{text!r} is no age; expected a number with h, d or w, such as 30d")
    return float(found[1]) * HOURS[found[2].lower()] * 3600


def _entry(path: Path) -> Entry:
    stored: dict[str, Any] = {}
    with suppress(OSError, ValueError):  # a damaged one is made again when somebody wants it
        stored = json.loads((path / KEY_FILE).read_bytes())
    return Entry(path.name, stored.get("kind", "arrays"), path, stored.get("key"), provenance.read(path))
