"""Learning curves from elsewhere as a folder of results: what a board must know of them, and what nobody knows.

An imported run stands on the board with the badge `imported`. A run with defects does not: it is listed with its
reasons instead. Runs are never interpolated, completed or corrected.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from dataclasses import replace as replace_fields
from pathlib import Path
from typing import Any

import pandas as pd

from labelbench_plus.faults import did_you_mean
from labelbench_plus.leaderboard.results import Results, write_results
from labelbench_plus.leaderboard.runs import COLUMNS, LATER_COSTS, About, BoardMeta
from labelbench_plus.spec import canonical
from labelbench_plus.store.atomic import replace


class ImportRefused(Exception):
    """Nothing can be imported. The message says what was looked for, where, and what would be right."""


@dataclass(frozen=True, eq=False)
class ImportedRun:
    """One run as another program recorded it.

    Attributes
    ----------
    id: sixteen hexadecimal digits, see `run_id`.
    problem, trainer, strategy, seed: where it stands on a board; `about` is what the problem declares.
    labels, spent: bought, and paid for that, after each round. `grid`: what the schedule allows after each round, as
        far as the source tells.
    scores: for each metric its value after each round, NaN where it was not recorded.
    costs: of the columns of `leaderboard.runs.COLUMNS` that are costs, those that were recorded, round by round.
    validation_labels: used beside the budget; None if the source does not say.
    defects: one sentence for each reason why it may not stand on a board.
    config: what it is, as the source says. `source`: where it was read from, with hashes.
    """

    id: str
    problem: str
    about: About
    trainer: str
    strategy: str
    seed: int
    labels: tuple[int, ...]
    spent: tuple[float, ...]
    grid: tuple[float, ...]
    scores: Mapping[str, tuple[float, ...]]
    validation_labels: int | None
    defects: tuple[str, ...]
    config: Mapping[str, Any]
    source: Mapping[str, Any]
    costs: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Reading:
    """What was found at a source: the runs, and for each thing that could be none, why."""

    runs: tuple[ImportedRun, ...]
    refused: tuple[str, ...]
    licence: bytes = b""  # the text under which the source may be passed on, if it came with one


def run_id(identity: Mapping[str, Any]) -> str:
    """Sixteen hexadecimal digits, the hash of what identifies a run at its source."""
    return hashlib.sha256(canonical(dict(identity))).hexdigest()[:16]


def as_results(
    runs: Sequence[ImportedRun],
    suite: str,
    title: str,
    metric: str,
    higher_is_better: bool,
    notes: Iterable[str] = (),
    baseline: str = "random",
) -> Results:
    """Imported runs as results that a board can be built from.

    The declared grid of a problem is that of its longest run: a source tells how much was bought in each round, not in
    how many rounds it was meant to be. Two runs with one (problem, trainer, strategy, seed) are both left out.

    Raises
    ------
    ImportRefused
        There is no run, or none has the metric; the message lists the metrics.
    """
    runs = sorted(_without_doubles(runs), key=lambda run: (run.problem, run.trainer, run.strategy, run.seed, run.id))
    if not runs:
        raise ImportRefused("there are no runs to import")
    known = sorted({name for run in runs for name in run.scores})
    if metric not in known:
        hint = did_you_mean(metric, known)
        raise ImportRefused(f"no run has the metric {metric!r}; there are: {', '.join(known)}{hint}")
    grids: dict[str, tuple[float, ...]] = {}
    for run in runs:
        grids[run.problem] = max(grids.get(run.problem, ()), run.grid, key=len)
    rows = [row for run in runs for row in _rows(run, suite, known, len(grids[run.problem]))]
    defective = {run.id: "; ".join(run.defects) for run in runs if run.defects}
    notes = [f"{len(runs)} runs were imported, none was computed here", *notes]
    if defective:
        notes.append(
            f"{len(defective)} of {len(runs)} runs are defective and left out; each is listed with its reasons"
        )
    meta = BoardMeta(
        title=title,
        metric=metric,
        higher_is_better=higher_is_better,
        baseline=baseline,
        budgets=grids,
        notes=tuple(notes),
        problems={run.problem: run.about for run in runs},
        badge="imported",
        defects=defective,
    )
    records = {
        run.id: {"config": dict(run.config), "manifest": {**run.source, "defects": list(run.defects)}} for run in runs
    }
    later = [name for name in LATER_COSTS if any(name in run.costs for run in runs)]
    return Results(pd.DataFrame(rows, columns=[*COLUMNS, *later, *known]), meta, records)


def write_import(results: Results, folder: Path, licence: bytes = b"") -> None:
    """Write a folder of results: the same runs give the same bytes, and each file appears whole or not at all.

    A `licence` that came with the source goes along as LICENSE.txt, as most ask for.

    `runs.jsonl.gz` has one line a run with its config and its manifest (source, hashes, defects). It holds no rounds,
    so it cannot be restored: what a strategy bought stays in the files that were imported.
    """
    write_results(results, folder)
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as file:
        for identity in sorted(results.records):
            file.write(canonical({"run": identity, **results.records[identity]}) + b"\n")
    replace(folder / "runs.jsonl.gz", buffer.getvalue())
    if licence:
        replace(folder / "LICENSE.txt", licence)


def _without_doubles(runs: Sequence[ImportedRun]) -> list[ImportedRun]:
    """Each place on the board once: several runs that claim one become one entry that is left out and names them."""
    by_place: dict[tuple[str, str, str, int], list[ImportedRun]] = {}
    for run in runs:
        by_place.setdefault((run.problem, run.trainer, run.strategy, run.seed), []).append(run)
    kept = []
    for (problem, trainer, strategy, seed), claimants in by_place.items():
        if len(claimants) == 1:
            kept += claimants
            continue
        sources = ", ".join(sorted(str(run.source.get("from", run.id)) for run in claimants))
        reason = f"{len(claimants)} runs call themselves {strategy}, seed {seed} in {problem} × {trainer}: {sources}"
        first = min(claimants, key=lambda run: run.id)
        kept.append(replace_fields(first, defects=(*first.defects, reason)))
    return kept


def _rows(run: ImportedRun, suite: str, metrics: Sequence[str], rounds: int) -> Iterable[dict[str, Any]]:
    for number, labels in enumerate(run.labels):
        costs = {name: values[number] for name, values in run.costs.items()}
        yield {
            **dict.fromkeys(COLUMNS, math.nan),
            "run_id": run.id,
            "suite": suite,
            "problem": run.problem,
            "trainer": run.trainer,
            "strategy": run.strategy,
            "seed": run.seed,
            "round": number,
            "labels": labels,
            "spent": run.spent[number],
            "declared_validation_labels": math.nan if run.validation_labels is None else run.validation_labels,
            "complete": len(run.labels) == rounds,
            **costs,
            **{name: run.scores[name][number] if name in run.scores else math.nan for name in metrics},
        }
