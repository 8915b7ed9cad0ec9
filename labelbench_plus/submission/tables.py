"""Whether what the leaderboard reads and shows (board.json, curves.csv, tables) says what the archive does."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, zip_longest
from pathlib import Path
from typing import Any

from labelbench_plus.leaderboard import curves_file
from labelbench_plus.leaderboard.of_suite import meta_of_runs
from labelbench_plus.leaderboard.results import TABLE_CSV, TABLE_MD, ResultsError, meta_from_json, read_tables
from labelbench_plus.leaderboard.runs import BADGES
from labelbench_plus.plugins import label
from labelbench_plus.shown import from_csv_cell, printable
from labelbench_plus.spec import BESIDE, VALIDATION, RunSpec
from labelbench_plus.submission.findings import Finding, some
from labelbench_plus.submission.planned import departures
from labelbench_plus.submission.schema import Submission

SELF_REPORTED = BADGES[1]
MOST = 20
MOST_SHOWN = 200  # characters of a line in a message
LAST_DIGITS = 1e-9  # relative: what another version of a library may change in a statistic
PER_PROBLEM = (
    ("slack", "not what the highest price leaves unspent"),
    ("problems", "not what its runs' problem declares"),
    ("defects", "not what makes runs defective: leave out what is not to count"),
)
Key = tuple[str, int]  # run, round
TEXTS = ("problem", "trainer", "strategy")


def check_curves(
    path: Path, runs: Sequence[Mapping[str, Any]], specs: Mapping[str, RunSpec], signed: Submission | None
) -> list[Finding]:
    """Whether the curves have one row for each round of the archive, with its numbers to the last digit."""
    lines = sorted({name for run in runs for name in run["manifest"].get("beside") or ()} - {VALIDATION})
    expected = {(run["run"], number): row for run in runs for number, row in _rows(run, specs.get(run["run"]), lines)}
    findings: list[Finding] = []
    seen: set[Key] = set()
    try:
        with io.TextIOWrapper(curves_file.opened(path), encoding="utf-8", newline="") as file:
            for cells in csv.DictReader(file, strict=True):
                row = {from_csv_cell(name): from_csv_cell(cell or "") for name, cell in cells.items() if name}
                findings += _compare(row, expected, seen, path.name)
                if signed and row.get("suite") not in signed.suites:
                    due = " or ".join(signed.suites)
                    findings.append(
                        Finding(path.name, "not the suite it was sent for", "", "suite", due, str(row.get("suite")))
                    )
                if len(findings) > MOST:
                    return [*findings[:MOST], Finding(path.name, f"more than {MOST} such rows; the rest is not read")]
    except (OSError, ValueError, csv.Error) as error:
        return [*findings, Finding(path.name, f"not a table in UTF-8: {error}")]
    if missing := sorted({run for run, _ in expected.keys() - seen}):
        findings.append(Finding(path.name, f"rounds of {len(missing)} runs are missing", actual=some(missing)))
    return findings


def check_board(path: Path, specs: Mapping[str, RunSpec], signed: Submission | None, *, whole: bool) -> list[Finding]:
    """Whether board.json says what its runs declare, and nothing else.

    Parameters
    ----------
    signed: who sends it; None of the benchmark's own results.
    whole: whether `specs` are all runs, so that nothing may stand there that none of them says.
    """
    try:
        board = meta_from_json(path.read_bytes())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return [Finding(path.name, f"not what `lbp publish` writes: {error!r}")]
    findings: list[Finding] = []

    def wrong(field: str, what: str, expected: object, actual: object, *, warning: bool = False) -> None:
        findings.append(Finding(path.name, what, "", field, str(expected), str(actual), warning))

    if board.badge != SELF_REPORTED or board.badges:
        actual = some([board.badge, *board.badges.values()])
        wrong("badge", "claims a badge: those who check give badges, not those who submit", SELF_REPORTED, actual)
    if signed and board.baseline != signed.baseline:
        wrong("baseline", "not the one that the submission names", signed.baseline, board.baseline)
    if signed and board.title not in signed.suites:  # it may say anything; those of format 1 had one of their own
        what = "not the name of its suite"
        wrong("title", what, " or ".join(signed.suites), board.title, warning=signed.planned is None)
    if not specs:
        return findings
    due = meta_of_runs(list(specs.values()), board.title, board.baseline)
    for spec in specs.values():  # which may not be of one suite
        name, grid, ranks = label(spec.problem), tuple(accumulate(spec.amounts)), spec.problem.primary_metric()
        if (board.metric, board.higher_is_better) != ranks:
            wrong("metric", "not what ranks its problems", ranks, (board.metric, board.higher_is_better))
        if board.shared_start != (spec.initial is not None):
            wrong("shared_start", "not how its runs begin", not board.shared_start, board.shared_start)
        if board.budgets.get(name) != grid:
            wrong(f"budgets.{name}", "not the schedule of its runs", grid, board.budgets.get(name, "nothing"))
    if whole and (others := sorted(board.budgets.keys() - due.budgets.keys())):
        wrong("budgets", "of problems that no run has", some(due.budgets), some(others))
    for field, what in PER_PROBLEM:
        mine, theirs = getattr(board, field), getattr(due, field)
        for name in sorted(mine.keys() | theirs.keys() if whole else theirs.keys()):
            if mine.get(name) != theirs.get(name):
                wrong(f"{field}.{name}", what, theirs.get(name, "nothing"), mine.get(name, "nothing"))
    if whole:
        planned = signed.planned if signed else None
        notes = (*due.notes, *(departures(planned, list(specs.values()), board.baseline) if planned else ()))
        if sorted(map(_pieces, board.notes)) != sorted(map(_pieces, notes)):
            what = "not the notes that its runs give"
            wrong("notes", what, "; ".join(notes) or "none", "; ".join(board.notes) or "none")
    return list(dict.fromkeys(findings))


def check_tables(folder: Path) -> list[Finding]:
    """Whether table.csv and table.md, where they are, are what the curves and the board beside them give.

    Numbers may differ in their last digits: versions of libraries round them differently.
    """
    found = {name: folder / name for name in (TABLE_CSV, TABLE_MD) if (folder / name).is_file()}
    if not found:
        return []
    try:
        due = read_tables(folder).tables()
    except (ResultsError, ValueError) as error:
        return [Finding(name, f"cannot be made again: {error}") for name in found]
    findings = []
    for name, path in found.items():
        try:
            text = path.read_bytes().decode("utf-8")
            lines = list(csv.reader(text.splitlines(), strict=True)) if name == TABLE_CSV else text.splitlines()
        except (ValueError, csv.Error) as error:
            findings.append(Finding(name, f"not a table in UTF-8: {error}"))
            continue
        right: list[Any] = due[name].decode().splitlines()
        right = list(csv.reader(right)) if name == TABLE_CSV else right
        for number, (mine, theirs) in enumerate(zip_longest(right, lines, fillvalue=""), start=1):
            if not _alike(mine, theirs):
                expected, actual = _difference(mine, theirs)
                findings.append(Finding(name, "not what its runs give", "", f"line {number}", expected, actual))
                break
    return findings


def _alike(due: Any, said: Any) -> bool:
    if isinstance(due, str) or isinstance(said, str):
        return bool(due == said)
    return len(due) == len(said) and all(map(_same_cell, due, said))


def _difference(due: Any, said: Any) -> tuple[str, str]:
    """The first cells that differ; of texts, all of them."""
    if isinstance(due, list) and isinstance(said, list):
        pairs = zip_longest(due, said, fillvalue="nothing")
        due, said = next((a, b) for a, b in pairs if not _same_cell(a, b))
    return str(due)[:MOST_SHOWN] or "nothing", str(said)[:MOST_SHOWN] or "nothing"


def _same_cell(due: str, said: str) -> bool:
    if due == said:
        return True
    try:
        return math.isclose(float(due), float(said), rel_tol=LAST_DIGITS, abs_tol=LAST_DIGITS)
    except ValueError:
        return False


def _pieces(note: str) -> tuple[str, ...]:
    """A note by its pieces: the order in which it lists names is that of a suite, which an archive does not keep."""
    names, colon, rest = note.partition(": ")
    return (*sorted(names.split(", ")), colon, *sorted(rest.replace(" and ", ", ").split(", ")))


def _rows(run: Mapping[str, Any], spec: RunSpec | None, lines: Sequence[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """What the row of each round must hold. `lines`: of what some run uses beside the budget."""
    names: dict[str, Any]
    if spec is None:  # what comes after the plugin's name can be made of its class alone
        names = {name: _Begins(str(run["config"][name].get("name"))) for name in TEXTS}
    else:
        names = {"problem": label(spec.problem), "trainer": spec.trainer_label, "strategy": label(spec.strategy)}
    if "validation_labels" in run["manifest"]:
        names["declared_validation_labels"] = run["manifest"]["validation_labels"]
    beside = run["manifest"].get("beside") or {}
    names |= {f"{BESIDE}{name}": beside.get(name, 0) for name in lines}
    for record, cost, labels in zip(run["rounds"], run["costs"], run["result"]["labels"], strict=False):
        yield (
            record["round"],
            {
                "seed": run["config"]["seed"],
                "labels": labels,
                "spent": record["spent"],
                "complete": "True",
                **names,
                **{name: value for name, value in cost.items() if name != "attempt"},
                **record["scores"],
            },
        )


def _compare(
    row: Mapping[str, str | None],
    expected: Mapping[tuple[str, int], dict[str, Any]],
    seen: set[tuple[str, int]],
    file: str,
) -> Iterator[Finding]:
    run, number = row.get("run_id") or "", row.get("round") or ""
    key = (run, int(number) if number.isdecimal() and len(number) < 10 else -1)
    if key not in expected:
        yield Finding(file, "a round that is not in the archive", run, f"round {number}")
        return
    if key in seen:
        yield Finding(file, "the same round twice", run, f"round {number}")
    seen.add(key)
    due = expected[key]
    known = {*due, "run_id", "round", "suite", "declared_validation_labels", *TEXTS}
    for name, text in row.items():
        if name not in known and text:
            yield Finding(file, "a number that is not in the archive", run, f"{name}, round {number}", "nothing", text)
    for name, value in due.items():
        text = row.get(name)
        if not _same(text, value):
            yield Finding(file, "differs from the archive", run, f"{name}, round {number}", str(value), str(text))


class _Begins(str):
    """The name of a plugin that is not here: what tables call it begins with it."""


def _same(text: str | None, value: Any) -> bool:
    if isinstance(value, _Begins):
        return text == value or (text or "").startswith((f"{value}(", f"{value}, labels chosen by "))
    if isinstance(value, str):
        return (text or "") == printable(value)
    if not text or value is None:
        return not text and value is None
    try:
        return float(text) == value
    except ValueError:
        return False
