"""Whether what the leaderboard reads (board.json, curves.csv) says what the archive does."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from labelbench_plus import plain_json
from labelbench_plus.leaderboard.of_suite import unspent
from labelbench_plus.leaderboard.runs import BADGES
from labelbench_plus.plugins import label
from labelbench_plus.spec import BESIDE, VALIDATION, RunSpec
from labelbench_plus.submission.findings import Finding, some

SELF_REPORTED = BADGES[1]
MOST = 20
Key = tuple[str, int]  # run, round
TEXTS = ("problem", "trainer", "strategy")


def check_curves(path: Path, runs: Sequence[Mapping[str, Any]], specs: Mapping[str, RunSpec]) -> list[Finding]:
    """Whether curves.csv has one row for each round of the archive, with its numbers to the last digit."""
    lines = sorted({name for run in runs for name in run["manifest"].get("beside") or ()} - {VALIDATION})
    expected = {(run["run"], number): row for run in runs for number, row in _rows(run, specs.get(run["run"]), lines)}
    findings: list[Finding] = []
    seen: set[Key] = set()
    try:
        with open(path, encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, strict=True):
                findings += _compare(row, expected, seen, path.name)
                if len(findings) > MOST:
                    return [*findings[:MOST], Finding(path.name, f"more than {MOST} such rows; the rest is not read")]
    except (OSError, ValueError, csv.Error) as error:
        return [*findings, Finding(path.name, f"not a table in UTF-8: {error}")]
    if missing := sorted({run for run, _ in expected.keys() - seen}):
        findings.append(Finding(path.name, f"rounds of {len(missing)} runs are missing", actual=some(missing)))
    return findings


def check_board(path: Path, specs: Mapping[str, RunSpec]) -> list[Finding]:
    """Whether board.json declares the grid and the metric that the runs have, and claims no trust."""
    try:
        board = plain_json.read_file(path)
        claims = {name: board.get(name) for name in ("badge", "badges", "defects")}
        declared = {name: tuple(map(float, grid)) for name, grid in board["budgets"].items()}
        metric, slack = (board["metric"], board["higher_is_better"]), board.get("slack", {})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return [Finding(path.name, f"not what `lbp publish` writes: {error!r}")]
    findings = []

    def wrong(field: str, what: str, expected: object, actual: object) -> None:
        findings.append(Finding(path.name, what, "", field, str(expected), str(actual)))

    if claims["badge"] != SELF_REPORTED or claims["badges"]:
        actual = some([claims["badge"], *dict(claims["badges"] or {}).values()])
        wrong("badge", "claims a badge: those who check give badges, not those who submit", SELF_REPORTED, actual)
    if claims["defects"]:
        wrong("defects", "declares runs defective: leave them out instead", "none", some(claims["defects"]))
    for spec in specs.values():
        name, grid = label(spec.problem), tuple(accumulate(spec.amounts))
        if declared.get(name) != grid:
            wrong(f"budgets.{name}", "not the schedule of its runs", grid, declared.get(name))
        if metric != spec.problem.primary_metric():
            wrong("metric", "not what ranks its problems", spec.problem.primary_metric(), metric)
        if slack.get(name, 0) > (may := unspent(spec.problem, grid[-1])):
            wrong(f"slack.{name}", "lets rounds leave more unspent than the dearest label costs", may, slack[name])
    return list(dict.fromkeys(findings))


def _rows(run: Mapping[str, Any], spec: RunSpec | None, lines: Sequence[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """What the row of each round must hold. `lines`: of what some run uses beside the budget."""
    names: dict[str, Any] = {}
    if spec is not None:
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


def _same(text: str | None, value: Any) -> bool:
    if text is None or value is None or isinstance(value, str):
        return (text or "") == (value or "")
    try:
        return float(text) == value
    except ValueError:
        return False
