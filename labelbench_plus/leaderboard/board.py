"""What a leaderboard says, as data: one suite's settings, in order, with the notes a reader should see first."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from labelbench_plus.leaderboard.runs import BoardMeta, read_runs
from labelbench_plus.leaderboard.setting import BoardSetting, build_setting


@dataclass(frozen=True, eq=False)
class Board:
    """A whole leaderboard: one setting for each (problem, trainer), in alphabetical order."""

    meta: BoardMeta
    suite: str
    settings: tuple[BoardSetting, ...]
    notes: tuple[str, ...]


def build_board(curves: pd.DataFrame, meta: BoardMeta) -> Board:
    """Turn tidy learning curves into a board; see `runs.read_runs` for the columns and what is refused."""
    settings = tuple(build_setting(of_setting, meta) for of_setting in read_runs(curves, meta))
    notes = meta.notes if settings else (*meta.notes, "there are no runs yet")
    return Board(meta, str(curves["suite"].iloc[0]) if len(curves) else "", settings, notes)
