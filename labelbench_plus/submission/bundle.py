"""Reading a submission from anybody: bounded, strict, and nothing outside its folder."""

from __future__ import annotations

import gzip
import os
import re
import zlib
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from labelbench_plus.inputs import plain_json
from labelbench_plus.leaderboard import curves_file
from labelbench_plus.leaderboard.badges import BADGES_FILE
from labelbench_plus.leaderboard.results import SUBMISSION
from labelbench_plus.spec import canonical
from labelbench_plus.store.archive import ARCHIVE
from labelbench_plus.submission.findings import Finding
from labelbench_plus.submission.schema import RunLine, Submission, misfits

CURVES = (curves_file.PLAIN, curves_file.COMPRESSED)
TABLES = ("board.json", *CURVES, "table.csv", "table.md")
LONGEST = {
    SUBMISSION: 2**20,
    ARCHIVE: 128 * 2**20,
    BADGES_FILE: plain_json.MOST_BYTES,
    "board.json": plain_json.MOST_BYTES,
    **dict.fromkeys(CURVES, 64 * 2**20),
    "table.csv": 16 * 2**20,
    "table.md": 16 * 2**20,
}
"""The files that a submission may have, and how many bytes of each are read."""
MOST_FILES = 100
MAX_LINE = plain_json.MOST_BYTES  # of one run, unpacked
MAX_UNPACKED = 2**30  # of all runs
MAX_ROW = 2**16  # of a table
MOST_FAULTY = 20
"""After this many lines that are not runs, the rest is not read: it is not an archive."""


@dataclass(frozen=True, eq=False)
class Bundle:
    """The readable parts of a submission.

    Attributes
    ----------
    folder: where it lies.
    submission: submission.json, None if it is not there or not well formed.
    runs: the lines of the archive that are well formed, as plain values, in the archive's order.
    findings: what is wrong with the form of the files.
    """

    folder: Path
    submission: Submission | None
    runs: tuple[dict[str, Any], ...]
    findings: tuple[Finding, ...]


def read_bundle(folder: Path, *, own: bool = False) -> Bundle:
    """Read a submission's folder.

    Parameters
    ----------
    own: these are the benchmark's own results, which nobody need sign.

    Raises
    ------
    NotADirectoryError
        `folder` is not a folder.
    """
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder}: not a folder; a submission is what `lbp submission pack` writes")
    findings = _strange_files(folder)
    linked = {finding.file for finding in findings}
    submission = None
    if not (folder / SUBMISSION).exists():
        if not own:
            findings.append(Finding(SUBMISSION, "missing: a submission says who sends what"))
    elif SUBMISSION not in linked:
        submission = _read_submission(folder / SUBMISSION, findings)
    runs: list[dict[str, Any]] = []
    if not (folder / ARCHIVE).exists():
        findings.append(Finding(ARCHIVE, "missing: a submission holds its runs whole"))
    elif ARCHIVE not in linked:
        runs = _read_archive(folder / ARCHIVE, findings)
    return Bundle(folder, submission, tuple(runs), tuple(findings))


def _strange_files(folder: Path) -> list[Finding]:
    findings = []
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in islice(entries, MOST_FILES + 1))
    if len(names) > MOST_FILES:
        findings.append(Finding("", f"more than {MOST_FILES} files; the others were not looked at"))
    for name in names:
        path = folder / name
        if path.is_symlink() or not path.is_file():
            findings.append(Finding(name, "not a plain file: links and folders are no part of a submission"))
        elif path.stat().st_nlink > 1:
            findings.append(Finding(name, "has another name elsewhere (a hard link): a submission's files are its own"))
        elif name not in LONGEST:
            findings.append(Finding(name, "no part of a submission", expected=", ".join(sorted(LONGEST))))
        elif path.stat().st_size > LONGEST[name]:
            findings.append(Finding(name, "too long", expected=f"at most {LONGEST[name]:,} bytes"))
        elif name in CURVES:
            findings += _long_rows(path)
    if set(CURVES) <= set(names):
        findings.append(Finding(CURVES[0], f"{CURVES[1]} is there too: a submission has one table of curves"))
    return findings


def _long_rows(path: Path) -> list[Finding]:
    """Whether a table has rows that are no row of a table: endless, or over several lines."""
    number, unpacked, most = 0, 0, curves_file.MOST_BYTES
    try:
        with curves_file.opened(path) as file:
            while row := file.readline(MAX_ROW + 1):
                number, unpacked = number + 1, unpacked + len(row)
                if len(row) > MAX_ROW or unpacked > most:
                    what = "a row longer than is read" if len(row) > MAX_ROW else "unpacks to more than is read"
                    expected = f"at most {MAX_ROW if len(row) > MAX_ROW else most:,} bytes"
                    return [Finding(path.name, what, field=f"row {number}", expected=expected)]
                if row.count(b'"') % 2:
                    return [Finding(path.name, "a text that does not end where its row does", field=f"row {number}")]
    except (OSError, EOFError, zlib.error) as error:
        return [Finding(path.name, f"not a whole gzip file: {error}", field=f"after row {number}")]
    return []


def _read_submission(path: Path, findings: list[Finding]) -> Submission | None:
    try:
        value = plain_json.read_file(path)
    except plain_json.JsonRefused as error:
        findings.append(_refused(SUBMISSION, error))
        return None
    if wrong := misfits(Submission, value, SUBMISSION):
        findings += wrong
        return None
    return Submission.model_validate(value)


def _refused(file: str, error: plain_json.JsonRefused, line: str = "") -> Finding:
    place = ": ".join(part for part in (line, error.field) if part)
    return Finding(file, error.what, "", place, error.expected, error.actual)


def _read_archive(path: Path, findings: list[Finding]) -> list[dict[str, Any]]:
    runs: dict[str, dict[str, Any]] = {}
    number, unpacked, faulty = 0, 0, 0
    try:
        with gzip.open(path, "rb") as lines:
            while text := lines.readline(MAX_LINE + 1):
                number, unpacked = number + 1, unpacked + len(text)
                if len(text) > MAX_LINE or unpacked > MAX_UNPACKED:
                    limit = MAX_LINE if len(text) > MAX_LINE else MAX_UNPACKED
                    what = "unpacks to more than a run can need; the rest is not read"
                    findings.append(Finding(ARCHIVE, what, field=f"line {number}", expected=f"at most {limit:,} bytes"))
                    break
                run, wrong = _read_line(text, number)
                if run is not None and run["run"] in runs:
                    wrong = [Finding(ARCHIVE, "there twice: a run is submitted once", run["run"], f"line {number}")]
                elif run is not None:
                    runs[run["run"]] = run
                findings += wrong
                if wrong and (faulty := faulty + 1) == MOST_FAULTY:
                    what = f"{MOST_FAULTY} lines are no run; what follows is not read"
                    findings.append(Finding(ARCHIVE, what, field=f"after line {number}"))
                    break
    except (OSError, EOFError, zlib.error) as error:
        findings.append(Finding(ARCHIVE, f"not a whole gzip file: {error}", field=f"after line {number}"))
    if not number:
        findings.append(Finding(ARCHIVE, "holds no run"))
    return list(runs.values())


def _read_line(text: bytes, number: int) -> tuple[dict[str, Any] | None, list[Finding]]:
    """A run, or what is wrong with it."""
    line = f"line {number}"
    try:
        value = plain_json.read(text)
    except plain_json.JsonRefused as error:
        return None, [_refused(ARCHIVE, error, line)]
    name = value.get("run") if isinstance(value, dict) else None
    who = name if isinstance(name, str) and re.fullmatch("[0-9a-f]{16}", name) else line
    if wrong := misfits(RunLine, value, ARCHIVE, who):
        return None, wrong
    if canonical(value) + b"\n" != text:
        what = "not the one text of its content (out of order, or with spaces): write it with lbp"
        return None, [Finding(ARCHIVE, what, who)]
    return value, []
