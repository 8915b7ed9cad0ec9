"""Scores shown beside the one that ranks, once the whole budget is spent."""

from __future__ import annotations

import math

from labelbench_plus.leaderboard.setting import BoardSetting
from labelbench_plus.leaderboard.statistics import Estimate, t_interval
from labelbench_plus.leaderboard.table import Cell, Column, Table


def shown_scores(setting: BoardSetting) -> Table | None:
    """A row for each strategy, best first as in the ranking, bounds last; None where the problem declares none."""
    declared = setting.about.shown
    if not declared:
        return None

    def final(strategy: str, score: str) -> Estimate | None:
        runs = [run for run in setting.runs.shown[strategy].values() if score in run.others]
        known = [float(run.others[score][-1]) for run in runs if math.isfinite(run.others[score][-1])]
        return t_interval(known) if known else None

    columns = (
        Column("strategy", "strategy", "label", "how labels were chosen"),
        *(
            Column(
                one.name,
                one.name,
                "score",
                f"once the whole budget is spent; {'higher' if one.higher_is_better else 'lower'} is better; mean over "
                "seeds ± half the width of the 95 % t-interval; it ranks nothing"
                + (f"; {one.caveat}" if one.caveat else ""),
                higher_is_better=one.higher_is_better,
            )
            for one in declared
        ),
    )
    rows: list[tuple[Cell, ...]] = [
        (name, *(final(name, one.name) for one in declared)) for name in (*setting.tests.names, *setting.runs.bounds)
    ]
    return Table(columns, tuple(rows))


def caveats(setting: BoardSetting) -> tuple[str, ...]:
    """What the scores leave out, a sentence each."""
    return tuple(f"{one.name}: {one.caveat}" for one in setting.about.shown if one.caveat)
