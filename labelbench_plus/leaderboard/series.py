"""Series: scores of a round that belong on one curve, gathered over seeds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from labelbench_plus.contracts.scores import Series, split_point
from labelbench_plus.leaderboard.setting import BoardSetting
from labelbench_plus.leaderboard.statistics import Estimate, t_interval


@dataclass(frozen=True)
class Gathered:
    """A series of a setting at one budget.

    `points`: strategy -> column -> an estimate for each of `series.at`, over the seeds that have it; None where none
    has.
    """

    series: Series
    budget: float
    points: Mapping[str, Mapping[str, tuple[Estimate | None, ...]]]


def gather(curves: pd.DataFrame, setting: BoardSetting, number: int = -1) -> tuple[Gathered, ...]:
    """The series that a setting's problem declares, after a round, from its valid runs alone.

    Parameters
    ----------
    curves: as `runs.read_runs` takes them; a point is the column that `Series.score` names.
    number: of the round, from 0; -1 is the last.
    """
    number %= len(setting.budgets)
    of_round = curves[curves["round"] == number].set_index("run_id")

    def estimate(strategy: str, score: str) -> Estimate | None:
        if score not in of_round.columns:
            return None
        runs = [run.run_id for run in setting.runs.runs[strategy].values()]
        values = [float(value) for value in of_round.loc[runs, score] if math.isfinite(value)]
        return t_interval(values) if values else None

    return tuple(
        Gathered(
            series,
            setting.budgets[number],
            {
                strategy: {
                    column.name: tuple(estimate(strategy, series.score(column.name, at)) for at in series.at)
                    for column in series.columns
                }
                for strategy in setting.areas
            },
        )
        for series in setting.about.series
    )


def without_points(scores: Iterable[str]) -> list[str]:
    """The names of scores that stand for themselves: what a menu of metrics offers."""
    return [name for name in scores if split_point(name) is None]
