"""Series: scores of a round that belong on one curve, such as a front with a point for every weighting.

A point is the mean over the seeds that have it, with a t-interval, once the budget is spent and at each earlier budget.
A point that no seed has is a gap, never a zero. A line is a strategy of one setting; where a problem was run with
several trainers there is a second chart, with one line per trainer, all with the baseline. If the problem provides
them, the points of a reference that has learned nothing and the best that can be reached are drawn beside the lines. A
series ranks nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from labelbench_plus.contracts.scores import Given, Series, split_point
from labelbench_plus.leaderboard.board import Board
from labelbench_plus.leaderboard.runs import Run
from labelbench_plus.leaderboard.setting import BoardSetting
from labelbench_plus.leaderboard.statistics import Estimate, t_interval
from labelbench_plus.leaderboard.table import Cell, Column, Table

Points = Mapping[str, tuple[Estimate | None, ...]]
"""Column -> an estimate for each of `Series.at`, over the seeds that have it; None where none has."""

NAMES_OF_GIVEN: Mapping[Given, str] = {"reference": "reference (nothing learned)", "best": "best that can be reached"}


@dataclass(frozen=True)
class Gathered:
    """A series at one budget.

    `of`: what its lines are. `lines`: by the name of a strategy or trainer. `given`: what the problem says beside them.
    """

    series: Series
    of: str
    budget: float
    lines: Mapping[str, Points]
    given: Mapping[Given, Points]

    @property
    def title(self) -> str:
        """What it shows, in a line."""
        return f"{self.series.name}, one line per {self.of}"

    def table(self) -> Table:
        """A row for each point of each line, then of what is given: the columns of the series with intervals."""
        columns = (
            Column("line", self.of, "label", "the line that the point belongs to"),
            Column("at", self.series.parameter, "text", "what varies along the line"),
            *(
                Column(
                    column.name,
                    column.name,
                    "score",
                    f"{'higher' if column.higher_is_better else 'lower'} is better; mean over seeds ± half the width "
                    "of the 95 % t-interval",
                    higher_is_better=column.higher_is_better,
                )
                for column in self.series.columns
            ),
            Column("seeds", "seeds", "count", "the fewest seeds behind one of its numbers"),
        )
        named = [*self.lines.items(), *((NAMES_OF_GIVEN[given], points) for given, points in self.given.items())]
        rows = tuple(row for name, points in named for row in self._rows(name, points))
        return Table(columns, rows)

    @property
    def places(self) -> tuple[float, ...] | None:
        """Where the points lie on a line; None where they lie in a plane or anywhere else."""
        return along_a_line(self.series.at)

    def _rows(self, name: str, points: Points) -> Iterable[tuple[Cell, ...]]:
        for i, at in enumerate(self.series.at):
            cells = [points[column.name][i] if column.name in points else None for column in self.series.columns]
            known = [cell.n for cell in cells if cell is not None]
            if known:  # a gap is no row: nothing would stand in it
                yield (name, at, *cells, min(known))


def gather(setting: BoardSetting, number: int = -1) -> tuple[Gathered, ...]:
    """The series that a setting's problem declares, a line a strategy, from its valid runs alone.

    Parameters
    ----------
    number: of the round, from 0; -1 is the last.
    """
    lines = {name: setting.runs.runs[name] for name in setting.tests.names}
    return _gathered(setting, "strategy", lines, number)


def gather_trainers(settings: Sequence[BoardSetting], strategy: str, number: int = -1) -> tuple[Gathered, ...]:
    """The same, a line a trainer with one strategy; none where fewer than two trainers were run with it.

    A trainer whose models have none of a series' points has no line in it.

    Parameters
    ----------
    settings: of one problem and budget, one a trainer.
    """
    lines = {setting.trainer: setting.runs.runs[strategy] for setting in settings if strategy in setting.areas}
    return _gathered(settings[0], f"trainer, with {strategy}", lines, number) if len(lines) > 1 else ()


def series_of_board(board: Board) -> list[tuple[str, Gathered]]:
    """All series of a board when budgets are spent, each under a heading: strategies in settings, then trainers."""
    found = [(setting.name, each) for setting in board.settings for each in gather(setting)]
    for settings in rivals(board):
        found += [(settings[0].problem, each) for each in gather_trainers(settings, board.meta.baseline)]
    return found


def rivals(board: Board) -> list[list[BoardSetting]]:
    """The settings of a board by problem and budget: one a trainer."""
    groups: dict[tuple[str, tuple[float, ...]], list[BoardSetting]] = {}
    for setting in board.settings:
        groups.setdefault((setting.problem, setting.budgets), []).append(setting)
    return list(groups.values())


def along_a_line(at: Sequence[str]) -> tuple[float, ...] | None:
    """How far along a line each point (`0.25:0.75`) lies, by its first number that varies; None off any line."""
    try:
        points = np.array([[float(part) for part in each.split(":")] for each in at])
    except ValueError:
        return None
    if not np.isfinite(points).all() or np.linalg.matrix_rank(points - points[0], tol=1e-9) > 1:
        return None
    varying = np.ptp(points, axis=0) > 0
    return tuple(points[:, int(varying.argmax())].tolist())


def without_points(scores: Iterable[str]) -> list[str]:
    """The names of scores that stand for themselves: what a menu of metrics offers."""
    return [name for name in scores if split_point(name) is None]


def _gathered(
    setting: BoardSetting, of: str, lines: Mapping[str, Mapping[int, Run]], number: int
) -> tuple[Gathered, ...]:
    budget, by_seed = setting.budgets[number], _by_seed(lines.values())

    def points(series: Series, estimate: Callable[[str], Estimate | None], given: Given | None = None) -> Points:
        return {
            column.name: tuple(estimate(series.score(column.name, at, given)) for at in series.at)
            for column in series.columns
            if given is None or column.given
        }

    def of_line(runs: Iterable[Run]) -> Callable[[str], Estimate | None]:
        return lambda score: _estimate([_value(run, score, number) for run in runs])

    def of_seeds(score: str) -> Estimate | None:
        # Every run of a seed says the same of what is given.
        return _estimate(
            [next(filter(math.isfinite, (_value(r, score, number) for r in runs)), math.nan) for runs in by_seed]
        )

    found = []
    for series in setting.about.series:
        drawn = {name: points(series, of_line(runs.values())) for name, runs in lines.items()}
        seen = {name: mine for name, mine in drawn.items() if any(any(column) for column in mine.values())}
        if seen:  # what some trainers' models have, others may not have at all
            given = {each: points(series, of_seeds, each) for each in series.given}
            found.append(Gathered(series, of, budget, seen, given))
    return tuple(found)


def _by_seed(lines: Iterable[Mapping[int, Run]]) -> list[list[Run]]:
    found: dict[int, list[Run]] = {}
    for runs in lines:
        for seed, run in runs.items():
            found.setdefault(seed, []).append(run)
    return [found[seed] for seed in sorted(found)]


def _value(run: Run, score: str, number: int) -> float:
    return float(run.others[score][number]) if score in run.others else math.nan


def _estimate(values: Sequence[float]) -> Estimate | None:
    known = [value for value in values if math.isfinite(value)]
    return t_interval(known) if known else None
