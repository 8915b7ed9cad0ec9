"""Reading a submission that anybody may have written: bounded, strict, and nothing outside its folder."""

from __future__ import annotations

import gzip
import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelbench_plus.leaderboard.badges import BADGES_FILE
from labelbench_plus.leaderboard.results import SUBMISSION
from labelbench_plus.spec import canonical
from labelbench_plus.store.archive import ARCHIVE
from labelbench_plus.submission.findings import Finding
from labelbench_plus.submission.schema import RunLine, Submission, misfits

RESULTS = ("board.json", "curves.csv", "table.csv", "table.md")
MAX_FILE = 128 * 2**20
MAX_LINE = 64 * 2**20  # of one run, unpacked
MAX_UNPACKED = 2**30  # of all runs


@dataclass(frozen=True, eq=False)
class Bundle:
    """What could be read of a submission.

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
    known = {SUBMISSION, ARCHIVE, BADGES_FILE, *RESULTS}
    findings = []
    for path in sorted(folder.iterdir()):
        if path.is_symlink() or not path.is_file():
            findings.append(Finding(path.name, "not a plain file: links and folders are no part of a submission"))
        elif path.name not in known:
            findings.append(Finding(path.name, "no part of a submission", expected=", ".join(sorted(known))))
        elif path.stat().st_size > MAX_FILE:
            findings.append(Finding(path.name, "too long", expected=f"at most {MAX_FILE:,} bytes"))
    return findings


def _read_submission(path: Path, findings: list[Finding]) -> Submission | None:
    try:
        value = json.loads(path.read_bytes().decode("utf-8"))
    except (ValueError, RecursionError) as error:
        findings.append(Finding(SUBMISSION, f"not JSON in UTF-8: {error}"))
        return None
    if wrong := misfits(Submission, value, SUBMISSION):
        findings += wrong
        return None
    return Submission.model_validate(value)


def _read_archive(path: Path, findings: list[Finding]) -> list[dict[str, Any]]:
    runs: list[dict[str, Any]] = []
    number, unpacked = 0, 0
    try:
        with gzip.open(path, "rb") as lines:
            while text := lines.readline(MAX_LINE + 1):
                number, unpacked = number + 1, unpacked + len(text)
                if len(text) > MAX_LINE or unpacked > MAX_UNPACKED:
                    limit = MAX_LINE if len(text) > MAX_LINE else MAX_UNPACKED
                    what = "unpacks to more than a run can need; the rest is not read"
                    findings.append(Finding(ARCHIVE, what, field=f"line {number}", expected=f"at most {limit:,} bytes"))
                    return runs
                run = _read_line(text, number, findings)
                if run is not None:
                    runs.append(run)
    except (OSError, EOFError, zlib.error) as error:
        findings.append(Finding(ARCHIVE, f"not a whole gzip file: {error}", field=f"after line {number}"))
    if not number:
        findings.append(Finding(ARCHIVE, "holds no run"))
    return _once_each(runs, findings)


def _read_line(text: bytes, number: int, findings: list[Finding]) -> dict[str, Any] | None:
    place = f"line {number}"
    try:
        value = json.loads(text.decode("utf-8"))
    except UnicodeDecodeError as error:
        findings.append(Finding(ARCHIVE, f"not UTF-8: {error.reason} at byte {error.start}", field=place))
        return None
    except (ValueError, RecursionError) as error:
        findings.append(Finding(ARCHIVE, f"not JSON: {error}", field=place))
        return None
    name = value.get("run") if isinstance(value, dict) else None
    who = name if isinstance(name, str) and name.isalnum() else place
    try:
        wrong = misfits(RunLine, value, ARCHIVE, who)
        if not wrong and canonical(value) + b"\n" != text:
            what = "not the one text of its content (keys twice, out of order, or spaces): write it with lbp"
            wrong = [Finding(ARCHIVE, what, who)]
    except (RecursionError, UnicodeEncodeError) as error:
        wrong = [Finding(ARCHIVE, f"not a run: {error}", who)]
    findings += wrong
    return None if wrong else value


def _once_each(runs: list[dict[str, Any]], findings: list[Finding]) -> list[dict[str, Any]]:
    seen: dict[str, dict[str, Any]] = {}
    for run in runs:
        if run["run"] in seen:
            findings.append(Finding(ARCHIVE, "there twice: a run is submitted once", run["run"]))
        seen.setdefault(run["run"], run)
    return list(seen.values())
