"""badges.json: how far each run of an archive was verified.

    {"format": 1, "archive": "<sha256 of runs.jsonl.gz>", "badges": {"<run id>": "replayed"},
     "evidence": {"<run id>": ["retrained round 3", "chose round 2 again"]},
     "rounds": {"<run id>": {"of": 20, "trained": [3], "chosen": [2]}},
     "by": {"code": {...}, "packages": {...}, ...}}

`rounds` says which rounds of a replayed run were done again, and is shown beside its badge: the others were not.

It lies beside the archive it speaks of. Badges for another archive count for nothing. A run that it does not name is
self-reported. Whoever checks writes it, never who submits; a reader of a pull request can tell from its author.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelbench_plus.inputs import plain_json
from labelbench_plus.leaderboard.runs import BADGES
from labelbench_plus.store.archive import ARCHIVE
from labelbench_plus.store.atomic import replace

BADGES_FILE = "badges.json"
FORMAT = 1


class BadgesError(ValueError):
    """badges.json is not what it should be. The message says what."""


def archive_hash(folder: Path) -> str:
    """SHA-256 of the archive of a folder of results."""
    with open(folder / ARCHIVE, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_badges(folder: Path) -> dict[str, str]:
    """The badge of each run by its id; empty if there is no file, or it speaks of another archive.

    Raises
    ------
    BadgesError
        The file is not of this format.
    """
    record = _read(folder)
    return dict(record["badges"]) if record and record["archive"] == archive_hash(folder) else {}


def speaks_of_another_archive(folder: Path) -> bool:
    """Whether there are badges, but not for the archive beside them."""
    record = _read(folder)
    return bool(record) and record["archive"] != archive_hash(folder)


@dataclass(frozen=True)
class Again:
    """Which of a run's rounds were trained, and which chosen again."""

    of: int
    trained: frozenset[int] = frozenset()
    chosen: frozenset[int] = frozenset()

    def __str__(self) -> str:
        return f"{len(self.trained)} of {self.of} rounds trained again, {len(self.chosen)} chosen again"

    def __or__(self, other: Again) -> Again:
        return Again(self.of, self.trained | other.trained, self.chosen | other.chosen)


def read_rounds(folder: Path) -> dict[str, Again]:
    """By run id, which rounds were done again, for the runs of which that is known.

    Raises
    ------
    BadgesError
        The file is not of this format.
    """
    record = _read(folder)
    return _rounds(record) if record and record["archive"] == archive_hash(folder) else {}


def grant(
    folder: Path,
    badge: str,
    evidence: Mapping[str, Sequence[str]],
    by: Mapping[str, Any],
    rounds: Mapping[str, Again] | None = None,
) -> dict[str, str]:
    """Give runs a badge, unless they have a better one, and write badges.json. Returns all badges.

    Parameters
    ----------
    evidence: by run id, what was done, in words. These runs get the badge.
    by: code and machine of whoever checked.
    rounds: by run id, which of its rounds were done again.
    """
    before = _read(folder) or {}
    current = before.get("archive") == archive_hash(folder)
    badges = dict(before["badges"]) if current else {}
    told = {run: list(words) for run, words in before["evidence"].items()} if current else {}
    again = _rounds(before) if current else {}
    for run, words in evidence.items():
        badges[run] = max(badges.get(run, BADGES[0]), badge, key=BADGES.index)
        told[run] = sorted({*told.get(run, []), *words})
    for run, some in (rounds or {}).items():
        again[run] = again.get(run, some) | some
    record = {
        "format": FORMAT,
        "archive": archive_hash(folder),
        "badges": badges,
        "evidence": told,
        "rounds": {
            run: {"of": some.of, "trained": sorted(some.trained), "chosen": sorted(some.chosen)}
            for run, some in again.items()
        },
        "by": dict(by),
    }
    replace(folder / BADGES_FILE, (json.dumps(record, indent=1, sort_keys=True) + "\n").encode())
    return badges


def _rounds(record: Mapping[str, Any]) -> dict[str, Again]:
    return {
        run: Again(int(some["of"]), frozenset(map(int, some["trained"])), frozenset(map(int, some["chosen"])))
        for run, some in record.get("rounds", {}).items()
    }


def _read(folder: Path) -> dict[str, Any]:
    path = folder / BADGES_FILE
    if not path.is_file() or not (folder / ARCHIVE).is_file():
        return {}
    try:
        record: dict[str, Any] = plain_json.read_file(path)
        wrong = record["format"] != FORMAT or not set(record["badges"].values()) <= set(BADGES)
        if wrong or not all(isinstance(words, list) for words in record["evidence"].values()):
            raise BadgesError(f"{path}: not badges of format {FORMAT}, each one of {', '.join(BADGES)}")
        record["archive"]
        _rounds(record)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadgesError(f"{path}: not badges of format {FORMAT}: {error!r}") from error
    return record
