"""Which way of choosing labels with which way of training: what a pair gains over each of its halves alone.

Runs of one problem and budget at one seed share the split, the first labels and the data order, whatever chose and
whatever trained, so that all differences are taken seed by seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labelbench_plus.leaderboard.board import Board
from labelbench_plus.leaderboard.formatting import decimals_for, estimate, printable
from labelbench_plus.leaderboard.setting import Setting
from labelbench_plus.leaderboard.statistics import Estimate, paired_differences, t_interval

Areas = Mapping[int, float]


@dataclass(frozen=True)
class Combination:
    """One trainer with one strategy. `area` is its AUBC; for the rest above zero is better, all in AUBC.

    `over_neither`: over the reference trainer with the baseline. `over_choosing`: over the reference trainer with the
    same strategy, what training adds to choosing. `over_training`: over the same trainer with the baseline, what
    choosing adds to training. `beyond_sum`: how much more both together bring than the sum of what each brings alone;
    below zero they gain the same ground. None where there is nothing to compare with.
    """

    trainer: str
    strategy: str
    area: Estimate
    over_neither: Estimate | None
    over_choosing: Estimate | None
    over_training: Estimate | None
    beyond_sum: Estimate | None


def combinations(settings: Sequence[Setting], reference: str, baseline: str) -> tuple[Combination, ...]:
    """All pairs of settings of one problem, best first.

    Parameters
    ----------
    settings: of one problem and budget, one a trainer.
    reference: the trainer, baseline: the strategy that stand for doing nothing particular.
    """
    areas = {(setting.trainer, name): of for setting in settings for name, of in setting.areas.items()}
    sign = 1 if settings[0].higher_is_better else -1

    def gain(over: tuple[str, str], pair: tuple[str, str]) -> Estimate | None:
        if over == pair or over not in areas:
            return None
        return t_interval(sign * paired_differences(areas[pair], areas[over]))

    def beyond(trainer: str, strategy: str) -> Estimate | None:
        corners = [(trainer, strategy), (reference, baseline), (trainer, baseline), (reference, strategy)]
        if len(set(corners)) < 4 or not all(corner in areas for corner in corners):
            return None
        both, neither, training, choosing = (areas[corner] for corner in corners)
        seeds = sorted(both.keys() & neither.keys() & training.keys() & choosing.keys())
        return t_interval([sign * (both[s] - training[s] - choosing[s] + neither[s]) for s in seeds])

    found = [
        Combination(
            trainer,
            strategy,
            t_interval(list(of.values())),
            gain((reference, baseline), (trainer, strategy)),
            gain((reference, strategy), (trainer, strategy)),
            gain((trainer, baseline), (trainer, strategy)),
            beyond(trainer, strategy),
        )
        for (trainer, strategy), of in areas.items()
    ]
    return tuple(sorted(found, key=lambda one: (-sign * one.area.mean, one.trainer, one.strategy)))


def report(board: Board, reference: str | None) -> str:
    """The tables of all problems with more than one trainer, as text, ending in a newline.

    Parameters
    ----------
    reference: a trainer as tables call it; None for the first by name.

    Raises
    ------
    ValueError
        No problem has two trainers, or none of them is the reference.
    """
    groups: dict[tuple[str, tuple[float, ...]], list[Setting]] = {}
    for setting in board.settings:
        if setting.areas:
            groups.setdefault((setting.problem, setting.budgets), []).append(setting)
    compared = {key: group for key, group in groups.items() if len(group) > 1}
    known = sorted({setting.trainer for group in compared.values() for setting in group})
    if not compared:
        raise ValueError("there is no problem with two trainers, so there is nothing to combine")
    if reference is not None and reference not in known:
        raise ValueError(f"no trainer is called {reference!r}; there are {', '.join(known)}")
    meta, blocks = board.meta, []
    for (problem, _), group in compared.items():
        chosen = reference or min(setting.trainer for setting in group)
        rows = [_row(one) for one in combinations(group, chosen, meta.baseline)]
        decimals = decimals_for([cell for row in rows for cell in row[2:3] if isinstance(cell, Estimate)])
        heads = ["trainer", "strategy", "AUBC", "over neither", "over choosing", "over training", "beyond the sum"]
        cells = [[_text(cell, decimals, place > 2) for place, cell in enumerate(row)] for row in rows]
        widths = [max(len(line[column]) for line in [heads, *cells]) for column in range(len(heads))]
        lines = [
            "  ".join(
                text.ljust(width) if column < 2 else text.rjust(width)
                for column, (text, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in [heads, *cells]
        ]
        lines.insert(1, "─" * (sum(widths) + 2 * (len(widths) - 1)))
        blocks.append("\n".join([printable(problem), f"neither: {chosen} with {meta.baseline}", "", *lines]))
    better = "higher" if meta.higher_is_better else "lower"
    head = (
        f"{printable(meta.title)}\nAUBC of {printable(meta.metric)}, {better} is better; gains above zero are better; "
        "± is half of a 95 % t-interval over\ncommon seeds, one comparison at a time; * where it leaves out zero"
    )
    return "\n\n".join([head, *blocks]) + "\n"


def _row(one: Combination) -> list[str | Estimate | None]:
    return [
        one.trainer,
        one.strategy,
        one.area,
        one.over_neither,
        one.over_choosing,
        one.over_training,
        one.beyond_sum,
    ]


def _text(cell: str | Estimate | None, decimals: int, gain: bool) -> str:
    if not isinstance(cell, Estimate):
        return printable(cell) if cell else "–"
    mark = "*" if gain and cell.excludes_zero() else " "
    return estimate(cell, decimals, signed=gain) + (mark if gain else "")
