"""One setting, a problem under a trainer: who is how good in it, as data.

Every number comes from `statistics`; renderers show what is here and know no statistics.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelbench_plus.leaderboard.guards import Collapse, collapses
from labelbench_plus.leaderboard.runs import About, BoardMeta, Run, RunsOfSetting
from labelbench_plus.leaderboard.statistics import (
    ALPHA,
    SHARES,
    Estimate,
    Fits,
    PairwiseTests,
    PenaltyMatrix,
    Saving,
    SavingPoint,
    areas_under_budget_curves,
    areas_under_log_budget_curves,
    budget_tests,
    label_saving,
    many_against_one,
    paired_differences,
    pairwise_tests,
    penalty_matrix,
    rank_ranges,
    rounds_to_test,
    saving_curve,
    seeds_to_separate,
    t_interval,
    t_intervals,
    target_level,
)
from labelbench_plus.leaderboard.table import Cell, Column, Table
from labelbench_plus.leaderboard.warnings import warnings_of

HEADLINE_SHARE = 0.95  # of the baseline's final value: the level of the saving that stands in tables


@dataclass(frozen=True)
class Curve:
    """One line of a chart: a strategy's estimate over seeds at each budget of its setting."""

    strategy: str
    points: tuple[Estimate, ...]


@dataclass(frozen=True, eq=False)
class BoardSetting:
    """One (problem, trainer): what is compared with what, under equal conditions.

    `about`: what the problem declares. `table` has one row a strategy, best first. In the same order, without
    strategies that have no valid run: `curves` (the metric at each budget) and `tests` (of the areas, each strategy
    with each); for all but the baseline, where it and a common seed exist, `gain_curves` (paired gain over the
    baseline at each budget, above zero is better), `gains` (the same in AUBC), `savings` (one for each of `SHARES`,
    None where undefined) and `saving_curves`. `penalty`: who beats whom at the `tested_rounds`, as published and with
    tests adjusted over all pairs of a budget. `areas`, `finals`: strategy -> seed -> AUBC and final value;
    `averaged_areas`: AUBC of what is averaged over data sets.
    No strategy is significantly better than one of the `leaders`. `against_baseline`: p-values of the comparisons with
    the baseline, adjusted over these alone; `beats_baseline` are significantly better by them. Where the problem knows
    the truth there are neither leaders nor such, nor ranks. `unit` is what a budget counts.
    `seeds_needed` would separate the first two in the table (infinite if none would, NaN if unknown).
    `validation_labels` is None where runs disagree; so are the other lines of what they use `beside` the budget.
    `collapses`: strategies that give up what guards the metric.
    """

    problem: str
    trainer: str
    about: About
    higher_is_better: bool
    budgets: tuple[float, ...]
    unit: str
    validation_labels: int | None
    beside: Mapping[str, int | None]
    runs: RunsOfSetting
    table: Table
    curves: tuple[Curve, ...]
    gain_curves: tuple[Curve, ...]
    gains: tuple[tuple[str, Estimate], ...]
    savings: Mapping[str, tuple[Saving | None, ...]]
    saving_curves: Mapping[str, tuple[SavingPoint, ...]]
    areas: Mapping[str, Mapping[int, float]]
    finals: Mapping[str, Mapping[int, float]]
    averaged_areas: Mapping[str, Mapping[int, float]]
    tests: PairwiseTests
    penalty: PenaltyMatrix
    penalty_adjusted: PenaltyMatrix
    tested_rounds: tuple[int, ...]
    leaders: tuple[str, ...]
    against_baseline: Mapping[str, float]
    beats_baseline: tuple[str, ...]
    seeds_needed: float
    collapses: tuple[Collapse, ...]
    warnings: tuple[str, ...]

    @property
    def name(self) -> str:
        """Problem and trainer as a heading."""
        return f"{self.problem} × {self.trainer}"

    @property
    def n_runs(self) -> int:
        """How many valid runs there are."""
        return sum(len(by_seed) for by_seed in self.runs.shown.values())

    def paired_gains(self, strategy: str, other: str) -> NDArray[np.float64]:
        """Gains in AUBC of `strategy` over `other` at common seeds, above zero is better: (seeds,)."""
        d = paired_differences(self.areas[strategy], self.areas[other])
        return d if self.higher_is_better else -d

    def gains_by_seed(self, strategy: str, other: str, *, averaged: bool) -> dict[int, float]:
        """The same by seed; `averaged`: of what may be averaged over data sets."""
        areas = self.averaged_areas if averaged else self.areas
        a, b = areas[strategy], areas[other]
        sign = 1 if self.higher_is_better else -1
        return {seed: sign * (a[seed] - b[seed]) for seed in sorted(a.keys() & b.keys())}


def build_setting(of: RunsOfSetting, meta: BoardMeta) -> BoardSetting:
    """Work out everything that is said of a setting."""
    sign = 1 if meta.higher_is_better else -1
    about = meta.about(of.problem)
    areas = {strategy: _areas(of.budgets, by_seed) for strategy, by_seed in of.runs.items()}
    compared = {strategy: values for strategy, values in areas.items() if values}
    tests = pairwise_tests(compared)
    ranks = rank_ranges(tests, meta.higher_is_better)
    base = compared.get(meta.baseline, {})
    gains = {
        strategy: t_interval(sign * paired_differences(values, base))
        for strategy, values in compared.items()
        if strategy != meta.baseline and values.keys() & base.keys()
    }
    against = many_against_one(tests, meta.baseline)
    savings, saving_curves = _savings(of, meta, list(gains))
    collapsed = collapses(of, meta)

    def reading_order(strategy: str) -> tuple[float, ...]:
        if strategy not in ranks:
            return (math.inf,)
        mean = float(np.mean(list(areas[strategy].values())))
        return (ranks[strategy].best, ranks[strategy].worst, -sign * mean)

    order = sorted(of.runs, key=lambda strategy: (reading_order(strategy), strategy))
    rows: list[dict[str, Cell]] = []
    for strategy in order:
        runs = list(of.runs[strategy].values())
        cells: dict[str, Cell] = {"strategy": strategy, "seeds": len(runs)}
        if runs:
            cells |= _cells(of.budgets, runs)
            cells["rank"] = ranks[strategy] if not about.knows_truth else None
            cells["gain"] = gains.get(strategy)
            cells["saving"] = savings[strategy][SHARES.index(HEADLINE_SHARE)] if strategy in savings else None
            cells["collapsed"] = ", ".join(each.told for each in collapsed if each.strategy == strategy) or None
        rows.append(cells)
    for strategy, by_seed in of.bounds.items():
        gain = sign * paired_differences(_areas(of.budgets, by_seed), base)
        rows.append(
            {
                "strategy": strategy,
                "seeds": len(by_seed),
                **(_cells(of.budgets, list(by_seed.values())) if by_seed else {}),
                "gain": t_interval(gain) if len(gain) else None,
            }
        )
    columns = tuple(
        column
        for column in columns_of(meta)
        if not column.later or any(cells.get(column.key) is not None for cells in rows)
    )
    seen = [strategy for strategy in order if strategy in compared]
    validation = {run.validation_labels for by_seed in of.runs.values() for run in by_seed.values()}
    items_are_budget = all(
        np.array_equal(run.labels, of.budgets) for by_seed in of.runs.values() for run in by_seed.values()
    )
    values = {name: {seed: run.values for seed, run in of.runs[name].items()} for name in seen}
    mean_of_baseline = _mean_curve(of.runs.get(meta.baseline, {}), len(of.budgets))
    rounds = rounds_to_test(mean_of_baseline, meta.higher_is_better)
    by_budget = budget_tests(values, rounds, meta.higher_is_better)
    return BoardSetting(
        problem=of.problem,
        trainer=of.trainer,
        about=about,
        higher_is_better=meta.higher_is_better,
        budgets=of.budgets,
        unit=about.unit if items_are_budget else "units of budget",
        validation_labels=validation.pop() if len(validation) == 1 else None,
        beside=lines_beside(of),
        runs=of,
        table=Table(columns, tuple(tuple(cells.get(column.key) for column in columns) for cells in rows)),
        curves=(
            *(Curve(strategy, _points(of.runs[strategy])) for strategy in seen),
            *(Curve(strategy, _points(by_seed)) for strategy, by_seed in of.bounds.items() if by_seed),
        ),
        gain_curves=tuple(
            Curve(strategy, gain_points(of.runs[strategy], of.runs[meta.baseline], sign))
            for strategy in seen
            if strategy in gains
        ),
        gains=tuple((strategy, gains[strategy]) for strategy in seen if strategy in gains),
        savings={strategy: savings[strategy] for strategy in seen if strategy in savings},
        saving_curves={strategy: saving_curves[strategy] for strategy in seen if strategy in saving_curves},
        areas=compared,
        finals={name: {seed: float(run.values[-1]) for seed, run in of.runs[name].items()} for name in seen},
        averaged_areas={name: _areas(of.budgets, of.runs[name], averaged=True) for name in seen},
        tests=tests.in_order(seen),
        penalty=penalty_matrix(by_budget),
        penalty_adjusted=penalty_matrix(by_budget, adjusted=True),
        tested_rounds=rounds,
        leaders=tuple(s for s in seen if ranks[s].best == 1) if not about.knows_truth else (),
        against_baseline=against,
        beats_baseline=tuple(name for name, gain in gains.items() if against[name] <= ALPHA and gain.mean > 0)
        if not about.knows_truth
        else (),
        seeds_needed=seeds_to_separate(paired_differences(compared[seen[0]], compared[seen[1]]))
        if len(seen) > 1
        else math.nan,
        collapses=collapsed,
        warnings=(*(each.sentence(meta.metric) for each in collapsed), *warnings_of(of, meta)),
    )


def _areas(budgets: Sequence[float], by_seed: Mapping[int, Run], *, averaged: bool = False) -> dict[int, float]:
    """AUBC by seed; `averaged`: of what may be averaged over data sets."""
    curves = [run.averaged if averaged else run.values for run in by_seed.values()]
    return dict(zip(by_seed, areas_under_budget_curves(budgets, curves).tolist(), strict=True)) if curves else {}


def _cells(budgets: Sequence[float], runs: Sequence[Run]) -> dict[str, Cell]:
    """What the row of a strategy says of its runs alone."""
    curves = np.stack([run.values for run in runs])
    cells: dict[str, Cell] = {
        **_costs(runs),
        "aubc": t_interval(areas_under_budget_curves(budgets, curves)),
        "final": t_interval(curves[:, -1]),
    }
    if budgets[0] > 0:
        cells["log_aubc"] = t_interval(areas_under_log_budget_curves(budgets, curves))
    return cells


def lines_beside(of: RunsOfSetting) -> dict[str, int | None]:
    """What the runs of a setting use beside the budget but for validation labels; None where they disagree."""
    runs = [run.beside for by_seed in of.runs.values() for run in by_seed.values()]
    counts = {name: {run.get(name) for run in runs} for name in sorted({name for run in runs for name in run})}
    agreed = {name: found.pop() if len(found) == 1 else None for name, found in counts.items()}
    return {name: count for name, count in agreed.items() if count != 0}


def columns_of(meta: BoardMeta) -> tuple[Column, ...]:
    """The columns of every table of a board, with their definitions."""
    better = "higher" if meta.higher_is_better else "lower"
    over = f"{meta.baseline} minus strategy" if not meta.higher_is_better else f"strategy minus {meta.baseline}"
    return (
        Column(
            "rank",
            "rank",
            "rank",
            "the ranks that the tests leave open: from 1 + the number of strategies that are significantly better to "
            "the number of strategies minus those that are significantly worse (paired t-tests of AUBC over seeds, "
            f"Holm-adjusted over all pairs, α = {ALPHA:g}); the ranges of two strategies that differ can still overlap",
        ),
        Column("strategy", "strategy", "label", "how labels were chosen"),
        Column(
            "aubc",
            "AUBC",
            "score",
            f"area under the curve of {meta.metric} against budget: trapezoid rule over the declared budgets, divided "
            f"by their range; {better} is better; mean over seeds ± half the width of the 95 % t-interval",
        ),
        Column(
            "gain",
            f"gain over {meta.baseline}",
            "gain",
            f"AUBC of {over} at the same seed, so above zero is better; mean over the seeds that both have ± "
            "half the width of the 95 % t-interval (one comparison at a time, not adjusted)",
        ),
        Column(
            "saving",
            "saved",
            "saving",
            f"share of the budget saved in reaching {HEADLINE_SHARE:.0%} of the final {meta.metric} of "
            f"{meta.baseline}".replace("%", " %")
            + ", with a 95 % interval where one is defined; “> B”: not reached within the budget B",
        ),
        Column(
            "final",
            f"final {meta.metric}",
            "score",
            f"{meta.metric} once the whole budget is spent; mean over seeds ± half the width of the 95 % t-interval",
        ),
        Column(
            "collapsed",
            "collapsed",
            "text",
            "seeds at which the metric beats the reference’s (the baseline’s where there is no reference) while a "
            "score that guards it has collapsed",
            later=True,
        ),
        Column("seeds", "seeds", "count", "number of valid runs, each with its own seed"),
        Column("select_seconds", "select (s)", "seconds", "seconds spent on selection in a whole run, mean over runs"),
        Column("train_seconds", "train (s)", "seconds", "seconds spent on training in a whole run, mean over runs"),
        Column(
            "evaluate_seconds",
            "evaluate (s)",
            "seconds",
            "seconds spent on evaluation in a whole run, mean over runs",
            later=True,
        ),
        Column(
            "log_aubc",
            "log-budget AUBC",
            "score",
            "AUBC with budgets on a logarithmic axis, so each doubling of the budget counts the same",
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
        Column(
            "evaluate_peak_bytes",
            "evaluate memory",
            "bytes",
            "peak memory of evaluation: the largest over all rounds and runs",
            detail=True,
            later=True,
        ),
    )


def _savings(
    of: RunsOfSetting, meta: BoardMeta, strategies: Sequence[str]
) -> tuple[dict[str, tuple[Saving | None, ...]], dict[str, tuple[SavingPoint, ...]]]:
    savings: dict[str, tuple[Saving | None, ...]] = {}
    curves: dict[str, tuple[SavingPoint, ...]] = {}
    if len(of.budgets) < 2 or of.budgets[0] < 0 or not strategies:
        return savings, curves
    base = of.runs[meta.baseline]
    final = float(np.mean([run.values[-1] for run in base.values()]))
    levels = [target_level(final, share, meta.higher_is_better) for share in SHARES]

    def fits(by_seed: Mapping[int, Run], seeds: Sequence[int]) -> Fits:
        # The draws are the same for every strategy: seeds are resampled alike for all.
        draws = zlib.crc32(f"{of.problem}\n{of.trainer}".encode())
        return Fits(of.budgets, np.stack([by_seed[seed].values for seed in seeds]), meta.higher_is_better, draws)

    of_baseline: dict[tuple[int, ...], Fits] = {}  # most strategies have the same seeds
    for strategy in strategies:
        seeds = tuple(sorted(of.runs[strategy].keys() & base.keys()))
        ours = fits(of.runs[strategy], seeds)
        theirs = of_baseline.setdefault(seeds, fits(base, seeds))
        savings[strategy] = tuple(label_saving(ours, theirs, level) for level in levels)
        if of.budgets[0] > 0:
            curves[strategy] = saving_curve(ours, theirs)
    return savings, curves


def _mean_curve(by_seed: Mapping[int, Run], rounds: int) -> NDArray[np.float64]:
    return np.mean([run.values for run in by_seed.values()], axis=0) if by_seed else np.zeros(rounds)


def _points(by_seed: Mapping[int, Run]) -> tuple[Estimate, ...]:
    return t_intervals(np.stack([run.values for run in by_seed.values()]).T)


def gain_points(by_seed: Mapping[int, Run], base: Mapping[int, Run], sign: int) -> tuple[Estimate, ...]:
    """Paired gains of some runs over others at each budget, over the seeds that both have; above zero is better."""
    seeds = sorted(by_seed.keys() & base.keys())
    return t_intervals(np.stack([sign * (by_seed[s].values - base[s].values) for s in seeds]).T)


def _costs(runs: Sequence[Run]) -> dict[str, Cell]:
    def known(values: list[float]) -> list[float]:
        return [value for value in values if math.isfinite(value)]

    seconds = {
        "select_seconds": known([run.select_seconds for run in runs]),
        "train_seconds": known([run.train_seconds for run in runs]),
        "evaluate_seconds": known([run.evaluate_seconds for run in runs]),
    }
    peaks = {
        "select_peak_bytes": known([run.select_peak_bytes for run in runs]),
        "train_peak_bytes": known([run.train_peak_bytes for run in runs]),
        "evaluate_peak_bytes": known([run.evaluate_peak_bytes for run in runs]),
    }
    costs: dict[str, Cell] = {key: float(np.mean(values)) for key, values in seconds.items() if values}
    return costs | {key: max(values) for key, values in peaks.items() if values}
