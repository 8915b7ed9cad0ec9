"""Which strategy with which trainer: what a pair gains over each of its halves alone.

Runs of one problem and budget at one seed share the split, the first labels and the data order, whatever the strategy
and trainer, so all differences are taken seed by seed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelbench_plus.faults import did_you_mean
from labelbench_plus.leaderboard.board import Board
from labelbench_plus.leaderboard.formatting import format_cells
from labelbench_plus.leaderboard.setting import BoardSetting
from labelbench_plus.leaderboard.statistics import Estimate, holm, paired_differences, paired_t_test, t_interval
from labelbench_plus.leaderboard.table import Column, Table
from labelbench_plus.shown import printable

Areas = Mapping[int, float]


@dataclass(frozen=True)
class Combination:
    """One trainer with one strategy. `area` is its AUBC; for the rest above zero is better, all in AUBC.

    `over_neither`: over the reference trainer with the baseline. `over_choosing`: over the reference trainer with the
    same strategy, what training adds to choosing. `over_training`: over the same trainer with the baseline, what
    choosing adds to training. `beyond_sum`: how much more both together bring than the sum of what each brings alone;
    below zero they gain the same ground. None where there is nothing to compare with. `p_over_neither` and `p_beyond`:
    of the paired t-tests of these two, each adjusted by Holm over all pairs of the problem; NaN where there is no test.
    """

    trainer: str
    strategy: str
    area: Estimate
    over_neither: Estimate | None
    over_choosing: Estimate | None
    over_training: Estimate | None
    beyond_sum: Estimate | None
    p_over_neither: float = math.nan
    p_beyond: float = math.nan


def combinations(settings: Sequence[BoardSetting], reference: str, baseline: str) -> tuple[Combination, ...]:
    """All pairs of settings of one problem, best first.

    Parameters
    ----------
    settings: of one problem and budget, one a trainer.
    reference: the trainer, baseline: the strategy that stand for doing nothing particular.
    """
    areas = {(setting.trainer, name): of for setting in settings for name, of in setting.areas.items()}
    sign = 1 if settings[0].higher_is_better else -1

    def gains(over: tuple[str, str], pair: tuple[str, str]) -> NDArray[np.float64] | None:
        return None if over == pair or over not in areas else sign * paired_differences(areas[pair], areas[over])

    def gain(over: tuple[str, str], pair: tuple[str, str]) -> Estimate | None:
        return _estimate(gains(over, pair))

    def beyond(trainer: str, strategy: str) -> NDArray[np.float64] | None:
        corners = [(trainer, strategy), (reference, baseline), (trainer, baseline), (reference, strategy)]
        if len(set(corners)) < 4 or not all(corner in areas for corner in corners):
            return None
        both, neither, training, choosing = (areas[corner] for corner in corners)
        seeds = sorted(both.keys() & neither.keys() & training.keys() & choosing.keys())
        return np.array([sign * (both[s] - training[s] - choosing[s] + neither[s]) for s in seeds])

    pairs = list(areas)
    of_sums = [beyond(*pair) for pair in pairs]
    p_beyond = _adjusted(of_sums)
    p_over_neither = _adjusted([gains((reference, baseline), pair) for pair in pairs])
    found = [
        Combination(
            trainer,
            strategy,
            t_interval(list(of.values())),
            gain((reference, baseline), (trainer, strategy)),
            gain((reference, strategy), (trainer, strategy)),
            gain((trainer, baseline), (trainer, strategy)),
            _estimate(of_sums[i]),
            p_over_neither[i],
            p_beyond[i],
        )
        for i, ((trainer, strategy), of) in enumerate(areas.items())
    ]
    return tuple(sorted(found, key=lambda one: (-sign * one.area.mean, one.trainer, one.strategy)))


def _estimate(differences: NDArray[np.float64] | None) -> Estimate | None:
    return None if differences is None else t_interval(differences)


def _adjusted(of_pairs: Sequence[NDArray[np.float64] | None]) -> list[float]:
    """p-values of paired t-tests, Holm-adjusted over all pairs that have one; NaN for the others."""
    asked = [i for i, differences in enumerate(of_pairs) if differences is not None]
    adjusted = holm([paired_t_test(differences) for differences in of_pairs if differences is not None])
    found = dict(zip(asked, adjusted.tolist(), strict=True))
    return [found.get(i, math.nan) for i in range(len(of_pairs))]


COLUMNS = (
    Column("trainer", "trainer", "text", "how a model was trained on what was bought"),
    Column("strategy", "strategy", "label", "how labels were chosen"),
    Column(
        "area", "AUBC", "score", "area under the budget curve; mean over seeds ± half the width of the 95 % t-interval"
    ),
    Column("over_neither", "over neither", "gain", "gain over the quickest trainer with the baseline"),
    Column("over_choosing", "over choosing", "gain", "gain over the quickest trainer with the same strategy"),
    Column("over_training", "over training", "gain", "gain over the same trainer with the baseline"),
    Column("beyond_sum", "beyond the sum", "gain", "how much more the pair gains than the sum of its halves' gains"),
)


def table_of(pairs: Sequence[Combination]) -> Table:
    """Pairs as they come, under `COLUMNS`."""
    return Table(COLUMNS, tuple(tuple(getattr(one, column.key) for column in COLUMNS) for one in pairs))


@dataclass(frozen=True)
class Group:
    """The settings of one problem and budget that have trainers to compare, and which of these is the reference."""

    problem: str
    settings: tuple[BoardSetting, ...]
    reference: str

    def pairs(self, baseline: str) -> tuple[Combination, ...]:
        """All pairs, best first."""
        return combinations(self.settings, self.reference, baseline)

    def table(self, baseline: str) -> Table:
        """All pairs, best first, under `COLUMNS`."""
        return table_of(self.pairs(baseline))


def groups(board: Board, reference: str | None = None) -> tuple[Group, ...]:
    """The problems of a board that have more than one trainer.

    Parameters
    ----------
    reference: a trainer as tables call it; None for the one that trains quickest in each.
    """
    found: dict[tuple[str, tuple[float, ...]], list[BoardSetting]] = {}
    for setting in board.settings:
        if setting.areas:
            found.setdefault((setting.problem, setting.budgets), []).append(setting)
    return tuple(
        Group(problem, tuple(settings), reference or min(settings, key=_train_seconds).trainer)
        for (problem, _), settings in found.items()
        if len(settings) > 1
    )


def _train_seconds(setting: BoardSetting) -> tuple[float, str]:
    runs = [run.train_seconds for by_seed in setting.runs.runs.values() for run in by_seed.values()]
    known = [seconds for seconds in runs if math.isfinite(seconds)]
    return (sum(known) / len(known) if known else math.inf, setting.trainer)


def report(board: Board, reference: str | None) -> str:
    """The tables of all problems with more than one trainer, as text, ending in a newline.

    Parameters
    ----------
    reference: as of `groups`.

    Raises
    ------
    ValueError
        No problem has two trainers, or none of them is the reference.
    """
    found = groups(board, reference)
    known = sorted({setting.trainer for group in found for setting in group.settings})
    if not found:
        raise ValueError("no problem has two trainers, so there is nothing to combine")
    if reference is not None and reference not in known:
        hint = did_you_mean(reference, known)
        raise ValueError(f"no trainer is called {reference!r}; there are {', '.join(known)}{hint}")
    meta, blocks = board.meta, []
    for group in found:
        table = group.table(meta.baseline)
        heads = [column.label for column in COLUMNS]
        columns = [format_cells(column, [row[j] for row in table.rows]) for j, column in enumerate(COLUMNS)]
        for j, column in enumerate(COLUMNS):
            if column.kind == "gain":
                cells = [row[j] for row in table.rows]
                marks = ["*" if isinstance(cell, Estimate) and cell.excludes_zero() else " " for cell in cells]
                columns[j] = [text + mark for text, mark in zip(columns[j], marks, strict=True)]
        widths = [max(map(len, [head, *column])) for head, column in zip(heads, columns, strict=True)]
        lines = [
            "  ".join(
                text.ljust(width) if j < 2 else text.rjust(width)
                for j, (text, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in [heads, *zip(*columns, strict=True)]
        ]
        lines.insert(1, "─" * (sum(widths) + 2 * (len(widths) - 1)))
        neither = f"neither: {printable(group.reference)} with {printable(meta.baseline)}"
        blocks.append("\n".join([printable(group.problem), neither, "", *lines]))
    better = "higher" if meta.higher_is_better else "lower"
    head = (
        f"{printable(meta.title)}\nAUBC of {printable(meta.metric)}, {better} is better; gains above zero are better; "
        "± is half the width of a 95 %\nt-interval over common seeds, one comparison at a time; *: zero lies outside"
    )
    return "\n\n".join([head, *blocks]) + "\n"
