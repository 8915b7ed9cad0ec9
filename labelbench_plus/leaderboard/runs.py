"""From a table of learning curves to the runs that may stand on a board, and why others may not."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from labelbench_plus.contracts.problems import Problem
from labelbench_plus.contracts.scores import FacetRole, Guard, Series, ShownScore
from labelbench_plus.spec import BESIDE

COLUMNS = (
    "run_id",
    "suite",
    "problem",
    "trainer",
    "strategy",
    "seed",
    "round",
    "labels",
    "spent",
    "declared_validation_labels",
    "select_seconds",
    "train_seconds",
    "select_peak_bytes",
    "train_peak_bytes",
    "complete",
)

LABELS = ("problem", "trainer", "strategy", "run_id")
"""Columns that say what a run is, the same in all its rows."""

LATER_COSTS = ("evaluate_seconds", "evaluate_peak_bytes")
"""Columns that runs have since evaluations are metered; nobody knows them of older and of imported runs."""

PROXY_SECONDS = "strategy.proxy_seconds"
"""A column that runs with a proxy have: what their labels cost to choose, in the run that chose them."""

BADGES = ("imported", "self-reported", "checked", "replayed", "re-run")  # how far a run was verified, least first


@dataclass(frozen=True)
class About:
    """What a problem declares of itself; results that agree in all but `dataset` may share a table.

    `task`: what its trainers solve. `unit`: what a budget counts, as a plural. `dataset`: problems on the same data
    count as one wherever results are averaged over data sets. `facets`: what else must be equal ("encoder": "pixels").
    `series`: which scores are points of one curve. `knows_truth`: its results are a bound, and are not ranked.
    `averaged`: the score that stands for the metric in averages over data sets, where the metric is in a unit of the
    data's own; else empty. `facet_roles`: what the values of facets stand for in comparisons along them. `shown`:
    scores to show beside the metric. `guards`: scores that must not be given up for it.
    """

    task: str
    unit: str
    dataset: str
    facets: Mapping[str, str] = field(default_factory=dict)
    series: tuple[Series, ...] = ()
    knows_truth: bool = False
    averaged: str = ""
    facet_roles: Mapping[str, FacetRole] = field(default_factory=dict)
    shown: tuple[ShownScore, ...] = ()
    guards: tuple[Guard, ...] = ()

    @property
    def scores(self) -> tuple[str, ...]:
        """The names of all scores that are shown or looked at beside the metric."""
        guards = [name for each in self.guards for name in each.scores]
        points = [name for each in self.series for name in each.scores()]
        return tuple(dict.fromkeys([*points, *(each.name for each in self.shown), *guards]))

    @classmethod
    def of(cls, problem: Problem) -> About:
        """What a problem declares."""
        return cls(
            problem.task,
            problem.unit,
            problem.dataset_name(),
            problem.facets(),
            problem.series(),
            problem.knows_truth(),
            problem.averaged_metric(),
            problem.facet_roles(),
            problem.shown_scores(),
            problem.guards(),
        )


@dataclass(frozen=True)
class BoardMeta:
    """What a board needs to know beside the curves.

    `title`: heading. `metric`: column of the curves that is ranked. `higher_is_better`: its direction.
    `baseline`: label of the strategy that gains are measured against. `budgets`: for each problem what has
    been spent after each round, strictly increasing: the declared grid that every run must be on.
    `shared_start`: whether round 0 is meant to be the same for all strategies at a seed, which is then checked.
    `slack`: for a problem that prices its items, how much a round may leave unspent because nothing was cheap
    enough; a problem without an entry must be spent to the last unit.
    `notes`: sentences that a reader should see first (how many runs are missing, say).
    `problems`: what each problem declares; one that does not is a data set of its own, priced in labels.
    `badge`: one of `BADGES`, for all runs that `badges` (by run id) does not name.
    `defects`: by run id, why a run may not stand on a board although its curve could (a damaged import, say).
    `bounds`: strategies that see what was not bought: shown for comparison, in no ranking and no test.
    `titles`: what the suite calls its problems and trainers, by label; pages show them, nothing is compared by them.
    """

    title: str
    metric: str
    higher_is_better: bool
    baseline: str
    budgets: Mapping[str, tuple[float, ...]]
    shared_start: bool = False
    slack: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    problems: Mapping[str, About] = field(default_factory=dict)
    badge: str = "self-reported"
    badges: Mapping[str, str] = field(default_factory=dict)
    defects: Mapping[str, str] = field(default_factory=dict)
    bounds: tuple[str, ...] = ()
    titles: Mapping[str, str] = field(default_factory=dict)

    def about(self, problem: str) -> About:
        """What a problem declares of itself."""
        return self.problems.get(problem, About("any task", "labels", problem))

    def averaged(self, problem: str) -> str:
        """The column of the curves that averages over data sets are taken of."""
        return self.about(problem).averaged or self.metric

    def badge_of(self, run_id: str) -> str:
        """How far a run was verified."""
        return self.badges.get(run_id, self.badge)

    def __post_init__(self) -> None:
        if unknown := sorted({self.badge, *self.badges.values()} - set(BADGES)):
            raise ValueError(f"unknown badges {unknown}; one of {', '.join(BADGES)}")
        for problem, grid in self.budgets.items():
            if len(grid) == 0 or not (np.isfinite(grid).all() and (np.diff(grid) > 0).all()):
                raise ValueError(f"budgets[{problem!r}] must be finite and increase strictly, got {grid}")


@dataclass(frozen=True, eq=False)
class Run:
    """One valid run: `values`, `averaged` (what is averaged over data sets) and `labels`, (r,) at the declared budgets;
    costs of all of it, NaN if unknown.

    `validation_labels` is None where whoever imported the run could not know; `beside` are the other lines of what was
    used beside the budget, by name, without those that are not known. `others`: the scores that the problem declares
    beside the metric, (r,) each, NaN where there is none.
    """

    run_id: str
    strategy: str
    seed: int
    labels: NDArray[np.int64]
    values: NDArray[np.float64]
    averaged: NDArray[np.float64]
    validation_labels: int | None
    select_seconds: float
    train_seconds: float
    select_peak_bytes: float
    train_peak_bytes: float
    evaluate_seconds: float = math.nan
    evaluate_peak_bytes: float = math.nan
    beside: Mapping[str, int] = field(default_factory=dict)
    others: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class RunsOfSetting:
    """All that is known of one (problem, trainer).

    `runs`: strategy -> seed -> run, an empty inner mapping for a strategy without a valid run; sorted.
    `bounds`: the same of strategies that are bounds, which `runs` has none of.
    `excluded`: one sentence for each run that is left out, with its name and the reason.
    """

    problem: str
    trainer: str
    budgets: tuple[float, ...]
    runs: Mapping[str, Mapping[int, Run]]
    excluded: tuple[str, ...]
    bounds: Mapping[str, Mapping[int, Run]] = field(default_factory=dict)

    @property
    def shown(self) -> Mapping[str, Mapping[int, Run]]:
        """Those that are ranked, then bounds."""
        return {**self.runs, **self.bounds}


def read_runs(curves: pd.DataFrame, meta: BoardMeta) -> tuple[RunsOfSetting, ...]:
    """Sort curves into settings and runs, by (problem, trainer, strategy, seed).

    `curves`: one row per (run, round) with the columns `COLUMNS`, `meta.metric` and what its problems say is averaged.
    A run is left out, with a reason, when it is incomplete, is off the declared budget grid (never interpolated) or has
    a score among these that is not finite. A run that shared what it computed on with others (`concurrency`, a column
    of its own where it is known, above 1) keeps its scores but not its seconds. What a proxy took (`PROXY_SECONDS`)
    counts as selection.
    ValueError as of `check_curves`.
    """
    check_curves(curves, meta)
    order = ["problem", "trainer", "strategy", "seed", "run_id", "round"]
    ordered = curves.sort_values(order, kind="stable")
    settings: dict[tuple[str, str], tuple[dict[str, dict[int, Run]], list[str]]] = {}
    extra = [name for name in ("concurrency", PROXY_SECONDS, *LATER_COSTS) if name in curves.columns]
    extra += [name for name in curves.columns if name.startswith(BESIDE)]
    declared = {name for problem in meta.budgets for name in meta.about(problem).scores}
    ranked = _scores(curves, meta)
    numbers = [name for name in curves.columns if pd.api.types.is_numeric_dtype(curves[name])]
    extra += [name for name in numbers if name in declared and name not in ranked]
    for (problem, trainer, strategy, run_id), rows in _rows_of_runs(ordered[[*COLUMNS, *ranked, *extra]]):
        runs, excluded = settings.setdefault((problem, trainer), ({}, []))
        of_strategy, seed = runs.setdefault(strategy, {}), int(rows["seed"][0])
        reason = meta.defects.get(run_id) or _reason_to_exclude(
            rows, (meta.metric, meta.averaged(problem)), meta.budgets[problem], meta.slack.get(problem, 0.0)
        )
        if reason:
            excluded.append(f"run {run_id} ({strategy}, seed {seed}) is left out: {reason}")
        else:
            of_strategy[seed] = _run(run_id, strategy, seed, rows, meta, problem)
    return tuple(
        RunsOfSetting(
            problem,
            trainer,
            tuple(map(float, meta.budgets[problem])),
            {name: of_strategy for name, of_strategy in runs.items() if name not in meta.bounds},
            tuple(excluded),
            {name: of_strategy for name, of_strategy in runs.items() if name in meta.bounds},
        )
        for (problem, trainer), (runs, excluded) in settings.items()
    )


def _rows_of_runs(ordered: pd.DataFrame) -> Iterator[tuple[tuple[str, ...], dict[str, NDArray[Any]]]]:
    """Of each run the cells of `LABELS`, and its rows of all other columns."""
    # Slices of whole columns: a pandas group for each of thousands of runs would take most of the build.
    starts = np.flatnonzero(ordered["run_id"].ne(ordered["run_id"].shift()).to_numpy())
    labels = zip(*(map(str, ordered[name].iloc[starts]) for name in LABELS), strict=True)
    columns = {name: ordered[name].to_numpy() for name in ordered.columns if name not in (*LABELS, "suite")}
    for of_run, (start, stop) in zip(labels, pairwise([*starts, len(ordered)]), strict=True):
        yield of_run, {name: column[start:stop] for name, column in columns.items()}


def _scores(curves: pd.DataFrame, meta: BoardMeta) -> list[str]:
    return sorted({meta.metric, *map(meta.averaged, curves["problem"].unique())})


def check_curves(curves: pd.DataFrame, meta: BoardMeta) -> None:
    """ValueError for curves that contradict themselves: missing columns, several suites, a problem without a declared
    grid, a run in two places, two runs with one (problem, trainer, strategy, seed)."""
    missing = [name for name in (*COLUMNS, *_scores(curves, meta)) if name not in curves.columns]
    if missing:
        raise ValueError(f"curves lack the columns {missing}; they have {list(curves.columns)}")
    if not pd.api.types.is_numeric_dtype(curves[meta.metric]):
        raise ValueError(f"the metric {meta.metric!r} must be numeric, got {curves[meta.metric].dtype}")
    suites = sorted(curves["suite"].unique())
    if len(suites) > 1:
        raise ValueError(f"curves hold the suites {suites}; a board shows one: pass the rows of one suite")
    undeclared = sorted(set(curves["problem"]) - set(meta.budgets))
    if undeclared:
        raise ValueError(f"no budgets declared for the problems {undeclared}; declared: {sorted(meta.budgets)}")
    identity = ["problem", "trainer", "strategy", "seed"]
    runs = curves[["run_id", *identity]].drop_duplicates().sort_values(["run_id", *identity])
    for run_id, rows in runs[runs["run_id"].duplicated(keep=False)].groupby("run_id"):
        places = rows[identity].values.tolist()
        raise ValueError(f"run {run_id} has more than one (problem, trainer, strategy, seed): {places}")
    for place, rows in runs[runs[identity].duplicated(keep=False)].groupby(identity):
        raise ValueError(
            f"runs {rows['run_id'].tolist()} all call themselves {place}; one run a seed can stand on a board: give "
            "strategies that differ different labels"
        )
    twice = curves[curves.duplicated(["run_id", "round"])]
    if len(twice):
        raise ValueError(f"run {twice['run_id'].iloc[0]} has round {twice['round'].iloc[0]} more than once")


def _reason_to_exclude(
    rows: Mapping[str, NDArray[Any]], scores: Sequence[str], grid: Sequence[float], slack: float
) -> str:
    spent = rows["spent"].astype(np.float64)
    if not rows["complete"].all():
        return f"incomplete, {len(spent)} of {len(grid)} rounds"
    if len(spent) != len(grid):
        return f"off the declared budget grid ({len(spent)} rounds, {len(grid)} declared)"
    off = (spent > np.multiply(grid, 1 + 1e-9)) | (spent < np.multiply(grid, 1 - 1e-9) - slack)
    if off.any():
        r = int(off.argmax())
        return f"off the declared budget grid (round {rows['round'][r]}: {spent[r]:g} spent, {grid[r]:g} declared)"
    for name in scores:
        wrong = ~np.isfinite(rows[name].astype(np.float64))
        if wrong.any():
            return f"{name} is not finite in round {rows['round'][int(wrong.argmax())]}"
    return ""


def _run(run_id: str, strategy: str, seed: int, rows: Mapping[str, NDArray[Any]], meta: BoardMeta, problem: str) -> Run:
    def known(name: str) -> NDArray[np.float64]:
        # A round that selects nothing (the initial set) has no selection time.
        values = rows[name].astype(np.float64) if name in rows else np.empty(0)
        return values[~np.isnan(values)]

    alone = not (known("concurrency") > 1).any()
    # Every round has these, or none has: one without has lost its costs, and a sum of the others would be too low.
    whole = all(len(known(name)) in (0, len(rows["round"])) for name in ("train_seconds", PROXY_SECONDS))

    def total(name: str) -> float:
        return float(known(name).sum()) if alone and whole and len(known(name)) else math.nan

    def most(name: str) -> float:
        return float(known(name).max()) if len(known(name)) else math.nan

    declared = known("declared_validation_labels")
    return Run(
        run_id=run_id,
        strategy=strategy,
        seed=seed,
        labels=rows["labels"].astype(np.int64),
        values=rows[meta.metric].astype(np.float64),
        averaged=rows[meta.averaged(problem)].astype(np.float64),
        validation_labels=int(declared.max()) if len(declared) else None,
        select_seconds=total("select_seconds") + float(known(PROXY_SECONDS).sum()),
        train_seconds=total("train_seconds"),
        select_peak_bytes=most("select_peak_bytes"),
        train_peak_bytes=most("train_peak_bytes"),
        evaluate_seconds=total("evaluate_seconds"),
        evaluate_peak_bytes=most("evaluate_peak_bytes"),
        beside={
            name.removeprefix(BESIDE): int(known(name).max())
            for name in rows
            if name.startswith(BESIDE) and len(known(name))
        },
        others={name: rows[name].astype(np.float64) for name in meta.about(problem).scores if name in rows},
    )
