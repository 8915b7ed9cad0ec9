"""Answers kept for all runs: nobody is asked, or paid, twice for the same.

A folder holds one file of JSON lines for each process that wrote. Nobody else appends to it, so it needs no lock, and
no file system can lose a line to another writer. A line is on disk before its answer is used. A line that a killed
process left unfinished is passed over.

A line with an answer begins with its key at a fixed place, so that a million of them are indexed by looking at sixteen
bytes each; it is parsed when it is asked for. Every line holds the money of its file so far: what was paid in all
stands in the last lines.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from labelbench_plus.store import holder, told
from labelbench_plus.store.atomic import sync

BEGINNING = b'{"key":"'
WORD = 8  # bytes of a line's beginning, and of its key, that are looked at
DIGITS = 64
CHUNK = 1 << 24
SUFFIX = ".jsonl"


@dataclass(frozen=True)
class Kept:
    """An answer as it is kept.

    Attributes
    ----------
    key: of the question, see `questions.key_of`.
    answer: a plain value; None where there is none.
    money: what it cost.
    when: it came, in seconds since 1970.
    about: what else is known: the question, who answered, what was said, tokens.
    """

    key: str
    answer: Any
    money: float
    when: float
    about: dict[str, Any]


@dataclass
class _File:
    """How far a file is known: up to a line's end."""

    path: Path
    number: int
    covered: int = 0
    purse: str = ""
    spent: float = 0.0


class KeptAnswers:
    """The answers in a folder, those that other processes add included.

    Parameters
    ----------
    folder: made with the first answer.
    purse: out of which what this process adds is paid.
    """

    def __init__(self, folder: Path, purse: str = "") -> None:
        self.folder, self._purse = folder, purse
        self._files: dict[str, _File] = {}
        self._order: list[_File] = []
        self._words = np.empty(0, dtype=np.uint64)  # of keys, ascending; then where their lines are
        self._places = np.empty((0, 2), dtype=np.int64)
        self._recent: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        self._guard = threading.RLock()
        self._mine: _Writer | None = None
        self.refresh()

    def refresh(self) -> None:
        """Take in what was added since. Files are opened: network file systems tell their size then, and not before."""
        with self._guard:
            try:
                names = sorted(name for name in os.listdir(self.folder) if name.endswith(SUFFIX))
            except FileNotFoundError:
                return
            first = not self._files
            found = []
            for name in names:
                if name not in self._files:
                    self._files[name] = _File(self.folder / name, len(self._order))
                    self._order.append(self._files[name])
                file = self._files[name]
                for words, offsets in _added(file):
                    found.append((words, np.stack([np.full(len(offsets), file.number), offsets], axis=1)))
            if first and found:
                words, places = (np.concatenate(parts) for parts in zip(*found, strict=True))
                order = np.argsort(words, kind="stable")
                self._words, self._places = words[order], places[order]
                return
            for words, places in found:
                for word, (number, offset) in zip(words.tolist(), places.tolist(), strict=True):
                    self._recent[word].append((number, offset))

    def __len__(self) -> int:
        return len(self._words) + sum(map(len, self._recent.values()))

    def find(self, keys: Iterable[str]) -> dict[str, list[Kept]]:
        """What is kept under these keys, oldest first; keys without an answer are left out."""
        with self._guard:
            found: dict[str, list[Kept]] = {}
            for key in keys:
                if lines := [kept for place in self._lines_of(key) if (kept := self._read(place)).key == key]:
                    found[key] = sorted(lines, key=lambda kept: kept.when)
            return found

    def all(self) -> Iterator[Kept]:
        """Every answer there is, in no order to rely on."""
        with self._guard:
            recent = [place for some in self._recent.values() for place in some]
            places: list[tuple[int, int]] = [(file, offset) for file, offset in self._places.tolist()] + recent
        for place in places:
            yield self._read(place)

    def spent(self, purse: str | None = None) -> float:
        """Money that was paid for what is here; out of one purse, if it is named."""
        with self._guard:
            return sum(file.spent for file in self._order if purse in (None, file.purse))

    def add(self, key: str, answer: Any, money: float, **about: Any) -> Kept:
        """Keep an answer. It is on disk when this returns.

        Raises
        ------
        OSError
            It could not be written; nothing of it is kept.
        """
        kept = Kept(key, answer, money, time.time(), about)
        line = {"when": kept.when, "money": money, "answer": answer, "about": about}
        self._write(lambda spent: f'{{"key":"{key}",{_json({**line, "spent": spent})[1:]}\n', money)
        return kept

    def lose(self, money: float, **about: Any) -> None:
        """Note money that may have been paid for nothing: of a request whose reply was lost."""
        self._write(lambda spent: _json({"lost": True, "money": money, "about": about, "spent": spent}) + "\n", money)

    def lost(self) -> list[dict[str, Any]]:
        """What was noted by `lose`, in no order to rely on."""
        with self._guard:
            return [line for file in self._order for line in _others(file) if "lost" in line]

    def _write(self, line: Any, money: float) -> None:
        with self._guard:
            if self._mine is None or self._mine.pid != os.getpid():  # a fork has a file of its own
                self._mine = _Writer(self.folder, self._purse)
            mine, self._mine = self._mine, None
            mine.append(line(mine.spent + money), money)
            self._mine = mine  # after an error the next line goes into another file: nobody knows what is in this one
            self.refresh()

    def _lines_of(self, key: str) -> list[tuple[int, int]]:
        word = int(np.frombuffer(key[:WORD].encode(), dtype=np.uint64)[0])
        first, last = (int(np.searchsorted(self._words, np.uint64(word), side)) for side in ("left", "right"))
        return [*map(tuple, self._places[first:last].tolist()), *self._recent.get(word, ())]

    def _read(self, place: tuple[int, int]) -> Kept:
        file = self._order[place[0]]
        with open(file.path, "rb") as lines:
            lines.seek(place[1])
            text = lines.readline()
        try:
            line = json.loads(text)
            return Kept(line["key"], line["answer"], line["money"], line["when"], line["about"])
        except (ValueError, KeyError, TypeError) as error:
            told.once(file.path, f"a line that is no answer, at byte {place[1]}: {error}")
            return Kept("", None, 0.0, 0.0, {})


@dataclass
class _Writer:
    """The file that this process appends to."""

    folder: Path
    purse: str
    pid: int = field(default_factory=os.getpid)
    spent: float = 0.0

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        name = f"{time.time_ns():020d}-{holder.place()}-{self.pid}-{uuid.uuid4().hex[:8]}{SUFFIX}"
        self._descriptor = os.open(self.folder / name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o666)
        self._length = 0
        self.append(_json({"purse": self.purse, "writer": holder.identity(), "spent": 0.0}) + "\n", 0.0)
        sync(self.folder)

    def append(self, line: str, money: float) -> None:
        data = line.encode()
        try:
            if os.write(self._descriptor, data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.folder))
            os.fsync(self._descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._length)
            os.close(self._descriptor)
            raise
        self._length += len(data)
        self.spent += money


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def _added(file: _File) -> list[tuple[np.ndarray, np.ndarray]]:
    """Words of keys (n,) and where their lines begin (n,), of the whole lines that were added to a file."""
    found = []
    try:
        with open(file.path, "rb") as lines:
            size = os.fstat(lines.fileno()).st_size
            while size > file.covered:
                lines.seek(file.covered)
                data = lines.read(min(CHUNK, size - file.covered))
                whole = data.rfind(b"\n") + 1
                if not whole and len(data) == CHUNK:  # one line is longer than a chunk
                    data += lines.readline()
                    whole = data.rfind(b"\n") + 1
                if not whole:
                    break
                found.append(_indexed(data[:whole], file.covered))
                if not file.covered:
                    file.purse = _told_by(file, data[: data.index(b"\n")]).get("purse", "")
                last = _told_by(file, data[data.rfind(b"\n", 0, whole - 1) + 1 : whole])
                file.spent = last.get("spent", file.spent)
                file.covered += whole
    except FileNotFoundError:  # somebody put it away: what was read of it stays
        pass
    return found


def _indexed(data: bytes, start: int) -> tuple[np.ndarray, np.ndarray]:
    text = np.frombuffer(data, dtype=np.uint8)
    begins = np.concatenate([[0], np.flatnonzero(text[:-1] == 10) + 1])
    begins = begins[begins + len(BEGINNING) + DIGITS < len(text)]
    first = text[begins[:, None] + np.arange(2 * WORD)]
    answers = (first[:, :WORD] == np.frombuffer(BEGINNING, dtype=np.uint8)).all(axis=1)
    words = np.ascontiguousarray(first[answers, WORD:]).view(np.uint64)[:, 0]
    return words, begins[answers] + start


def _told_by(file: _File, line: bytes) -> dict[str, Any]:
    try:
        said = json.loads(line)
    except ValueError as error:
        told.once(file.path, f"a line that is no JSON: {error}")
        return {}
    return said if isinstance(said, dict) else {}


def _others(file: _File) -> Iterator[dict[str, Any]]:
    """The lines of a file that hold no answer."""
    with open(file.path, "rb") as lines:
        for line in lines:
            if line.endswith(b"\n") and not line.startswith(BEGINNING):
                yield _told_by(file, line)
