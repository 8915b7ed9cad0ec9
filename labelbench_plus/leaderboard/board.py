"""What a leaderboard says, as data: settings, tables of typed cells, curves and warnings.

Renderers (text, Markdown, CSV, page) read only what is here and know no statistics; they treat a cell by its
type and a column by its `kind`. A new quantity is one more `Column` and one more cell in each row.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from labelbench_plus.leaderboard.runs import BoardMeta, Run, RunsOfSetting, read_runs
from labelbench_plus.leaderboard.statistics import (
    ALPHA,
    Estimate,
    PairwiseTests,
    RankRange,
    area_under_budget_curve,
    area_under_log_budget_curve,
    paired_differences,
    pairwise_tests,
    rank_ranges,
    t_interval,
)

FEW_SEEDS = 3  # below this many an interval says next to nothing (t = 12.7 standard errors at two)

Cell = str | int | float | Estimate | RankRange | None
Kind = Literal["label", "rank", "score", "gain", "count", "seconds", "bytes"]


@dataclass(frozen=True)
class Column:
    """One column: `key` names it in CSV, `label` heads it, `about` defines it in one sentence.

    `kind` says how its cells are shown. `detail` columns are left out where there is little room (terminal,
    Markdown).
    """

    key: str
    label: str
    kind: Kind
    about: str
    detail: bool = False


@dataclass(frozen=True)
class Table:
    """Typed cells, `rows[i][j]` under `columns[j]`, in the order in which they should be read."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def filled(self, details: bool) -> list[tuple[Column, list[Cell]]]:
        """Columns with at least one value, each with its cells; `details` takes the detail columns in too."""
        columns = [(column, [row[j] for row in self.rows]) for j, column in enumerate(self.columns)]
        return [
            (column, cells)
            for column, cells in columns
            if (details or not column.detail) and any(cell is not None for cell in cells)
        ]


@dataclass(frozen=True)
class Curve:
    """One line of a chart: a strategy's estimate over seeds at each budget of its setting."""

    strategy: str
    points: tuple[Estimate, ...]


@dataclass(frozen=True, eq=False)
class Setting:
    """One (problem, trainer): what is compared with what, under equal conditions.

    `table` has one row a strategy, best first. In the same order, without strategies that have no valid run:
    `curves` (the metric at each budget) and `tests` (of the areas, each strategy with each); for all but the
    baseline, where it and a common seed exist, `gain_curves` (paired gain over the baseline at each budget,
    above zero is better) and `gains` (the same in AUBC). No strategy is significantly better than one of the
    `leaders`; `beats_baseline` are significantly better than the baseline. `unit` is what a budget counts.
    `validation_labels` is None where runs disagree.
    """

    problem: str
    trainer: str
    budgets: tuple[float, ...]
    unit: Literal["labels", "budget"]
    validation_labels: int | None
    n_runs: int
    table: Table
    curves: tuple[Curve, ...]
    gain_curves: tuple[Curve, ...]
    gains: tuple[tuple[str, Estimate], ...]
    tests: PairwiseTests
    leaders: tuple[str, ...]
    beats_baseline: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def name(self) -> str:
        """Problem and trainer as a heading."""
        return f"{self.problem} × {self.trainer}"


@dataclass(frozen=True, eq=False)
class Board:
    """A whole leaderboard: one setting for each (problem, trainer), in alphabetical order."""

    meta: BoardMeta
    suite: str
    settings: tuple[Setting, ...]
    notes: tuple[str, ...]


def build_board(curves: pd.DataFrame, meta: BoardMeta) -> Board:
    """Turn tidy learning curves into a board; see `runs.read_runs` for the columns and what is refused."""
    settings = tuple(_setting(of_setting, meta) for of_setting in read_runs(curves, meta))
    notes = meta.notes if settings else (*meta.notes, "there are no runs yet")
    return Board(meta, str(curves["suite"].iloc[0]) if len(curves) else "", settings, notes)


def columns_of(meta: BoardMeta) -> tuple[Column, ...]:
    """The columns of every table of a board, with their definitions."""
    better = "higher" if meta.higher_is_better else "lower"
    over = f"{meta.baseline} minus strategy" if not meta.higher_is_better else f"strategy minus {meta.baseline}"
    return (
        Column(
            "rank",
            "rank",
            "rank",
            "ranks that remain possible: from 1 + the number of strategies significantly better to the "
            "number of strategies minus those significantly worse (paired t-tests of AUBC over seeds, all pairs, "
            f"Holm-adjusted, α = {ALPHA:g}); strategies whose ranges overlap are tied",
        ),
        Column("strategy", "strategy", "label", "how labels were chosen"),
        Column(
            "aubc",
            "AUBC",
            "score",
            f"area under the budget curve of {meta.metric}: trapezoid over the declared budgets divided by "
            f"their range; {better} is better; mean over seeds ± half of the 95 % t-interval",
        ),
        Column(
            "gain",
            f"gain over {meta.baseline}",
            "gain",
            f"AUBC of {over} at the same seed, so that above zero is better; mean over the seeds both have ± "
            "half of the 95 % t-interval (one comparison at a time, not adjusted)",
        ),
        Column(
            "final",
            f"final {meta.metric}",
            "score",
            f"{meta.metric} when the whole budget is spent; mean over seeds ± half of the 95 % t-interval",
        ),
        Column("seeds", "seeds", "count", "number of valid runs, each with its own seed"),
        Column("select_seconds", "select (s)", "seconds", "seconds of selection in a whole run, mean over runs"),
        Column("train_seconds", "train (s)", "seconds", "seconds of training in a whole run, mean over runs"),
        Column(
            "log_aubc",
            "log-budget AUBC",
            "score",
            "AUBC with budgets on a logarithmic axis, so that each doubling of the budget counts alike",
            detail=True,
        ),
        Column(
            "select_peak_bytes",
            "select memory",
            "bytes",
            "peak memory of selection: the largest over all rounds and runs",
            detail=True,
        ),
        Column(
            "train_peak_bytes",
            "train memory",
            "bytes",
            "peak memory of training: the largest over all rounds and runs",
            detail=True,
        ),
    )


def _setting(of: RunsOfSetting, meta: BoardMeta) -> Setting:
    sign = 1 if meta.higher_is_better else -1
    areas = {
        strategy: {seed: area_under_budget_curve(of.budgets, run.values) for seed, run in by_seed.items()}
        for strategy, by_seed in of.runs.items()
    }
    compared = {strategy: values for strategy, values in areas.items() if values}
    tests = pairwise_tests(compared)
    ranks = rank_ranges(tests, meta.higher_is_better)
    base = compared.get(meta.baseline, {})
    gains = {
        strategy: t_interval(sign * paired_differences(values, base))
        for strategy, values in compared.items()
        if strategy != meta.baseline and values.keys() & base.keys()
    }

    def reading_order(strategy: str) -> tuple[float, ...]:
        if strategy not in ranks:
            return (math.inf,)
        mean = float(np.mean(list(areas[strategy].values())))
        return (ranks[strategy].best, ranks[strategy].worst, -sign * mean)

    order = sorted(of.runs, key=lambda strategy: (reading_order(strategy), strategy))
    rows = []
    for strategy in order:
        runs = list(of.runs[strategy].values())
        cells: dict[str, Cell] = {"strategy": strategy, "seeds": len(runs)}
        if runs:
            cells |= _costs(runs)
            cells["rank"] = ranks[strategy]
            cells["aubc"] = t_interval(list(areas[strategy].values()))
            cells["gain"] = gains.get(strategy)
            cells["final"] = t_interval([run.values[-1] for run in runs])
            if of.budgets[0] > 0:
                cells["log_aubc"] = t_interval([area_under_log_budget_curve(of.budgets, run.values) for run in runs])
        rows.append(tuple(cells.get(column.key) for column in columns_of(meta)))
    seen = [strategy for strategy in order if strategy in compared]
    validation = {run.validation_labels for by_seed in of.runs.values() for run in by_seed.values()}
    labels_are_budget = all(
        np.array_equal(run.labels, of.budgets) for by_seed in of.runs.values() for run in by_seed.values()
    )
    return Setting(
        problem=of.problem,
        trainer=of.trainer,
        budgets=of.budgets,
        unit="labels" if labels_are_budget else "budget",
        validation_labels=validation.pop() if len(validation) == 1 else None,
        n_runs=sum(len(by_seed) for by_seed in of.runs.values()),
        table=Table(columns_of(meta), tuple(rows)),
        curves=tuple(Curve(strategy, _points(of.runs[strategy])) for strategy in seen),
        gain_curves=tuple(
            Curve(strategy, _gain_points(of.runs[strategy], of.runs[meta.baseline], sign))
            for strategy in seen
            if strategy in gains
        ),
        gains=tuple((strategy, gains[strategy]) for strategy in seen if strategy in gains),
        tests=tests.in_order(seen),
        leaders=tuple(strategy for strategy in seen if ranks[strategy].best == 1),
        beats_baseline=tuple(s for s in seen if _beats(tests, s, meta)),
        warnings=_warnings(of, meta),
    )


def _points(by_seed: Mapping[int, Run]) -> tuple[Estimate, ...]:
    return tuple(t_interval(column) for column in np.stack([run.values for run in by_seed.values()]).T)


def _gain_points(by_seed: Mapping[int, Run], base: Mapping[int, Run], sign: int) -> tuple[Estimate, ...]:
    seeds = sorted(by_seed.keys() & base.keys())
    return tuple(
        t_interval(column) for column in np.stack([sign * (by_seed[s].values - base[s].values) for s in seeds]).T
    )


def _costs(runs: Sequence[Run]) -> dict[str, Cell]:
    def known(values: list[float]) -> list[float]:
        return [value for value in values if math.isfinite(value)]

    seconds = {
        "select_seconds": known([run.select_seconds for run in runs]),
        "train_seconds": known([run.train_seconds for run in runs]),
    }
    peaks = {
        "select_peak_bytes": known([run.select_peak_bytes for run in runs]),
        "train_peak_bytes": known([run.train_peak_bytes for run in runs]),
    }
    costs: dict[str, Cell] = {key: float(np.mean(values)) for key, values in seconds.items() if values}
    return costs | {key: max(values) for key, values in peaks.items() if values}


def _beats(tests: PairwiseTests, strategy: str, meta: BoardMeta) -> bool:
    if meta.baseline not in tests.names:
        return False
    i, j = tests.names.index(strategy), tests.names.index(meta.baseline)
    gain = tests.difference[i, j] if meta.higher_is_better else -tests.difference[i, j]
    return bool(tests.adjusted[i, j] <= ALPHA and gain > 0)


def _warnings(of: RunsOfSetting, meta: BoardMeta) -> tuple[str, ...]:
    warnings = list(of.excluded)
    if of.excluded:
        warnings.append("what is left out may be left out for a reason: means over the other seeds can flatter")
    seeds = {strategy: frozenset(by_seed) for strategy, by_seed in of.runs.items()}
    if meta.baseline not in of.runs:
        known = ", ".join(sorted(of.runs))
        warnings.append(f"the baseline {meta.baseline} has no run here, so there are no gains; there are: {known}")
    every = frozenset().union(*seeds.values())
    for strategy in sorted(seeds):
        if not seeds[strategy]:
            warnings.append(f"{strategy} has no valid run")
            continue
        if len(seeds[strategy]) < FEW_SEEDS:
            warnings.append(f"{strategy} has {len(seeds[strategy])} seed(s): too few for an interval worth reading")
        if seeds[strategy] != every:
            lacking = ", ".join(str(seed) for seed in sorted(every - seeds[strategy]))
            warnings.append(f"{strategy} lacks the seed(s) {lacking}: comparisons with it use only common seeds")
        values = [run.values for run in of.runs[strategy].values()]
        if len(values) > 1 and all(np.array_equal(values[0], other) for other in values[1:]):
            warnings.append(f"{strategy} has the same curve for every seed: its seeds are not independent evidence")
    if meta.shared_start and (uneven := _uneven_starts(of)):
        warnings.append(
            f"round 0 differs between strategies at the seed(s) {uneven}: runs that should start alike do not, so "
            "paired differences hold more than the strategy"
        )
    validation = sorted({run.validation_labels for runs in of.runs.values() for run in runs.values()})
    if len(validation) > 1:
        numbers = ", ".join(str(number) for number in validation)
        warnings.append(f"runs declare different numbers of validation labels ({numbers}): not quite one budget")
    return tuple(warnings)


def _uneven_starts(of: RunsOfSetting) -> str:
    starts: dict[int, list[float]] = {}
    for by_seed in of.runs.values():
        for seed, run in by_seed.items():
            starts.setdefault(seed, []).append(float(run.values[0]))
    return ", ".join(
        str(seed) for seed in sorted(starts) if not np.allclose(starts[seed], starts[seed][0], rtol=1e-9, atol=0)
    )
