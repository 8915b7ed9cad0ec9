"""A board as a pandas table, for CSV and for further work: full precision, one row a strategy and setting."""

from __future__ import annotations

import pandas as pd

from labelbench_plus.leaderboard.board import Board
from labelbench_plus.leaderboard.statistics import Estimate, RankRange, Saving
from labelbench_plus.leaderboard.table import Cell, Column


def to_frame(board: Board) -> pd.DataFrame:
    """All tables of a board below each other.

    Columns: suite, problem, trainer, then those of the tables: an estimate as `<key>_mean`, `_low`, `_high`
    and `_n`, a rank as `rank_best` and `rank_worst`, a saving as `saving` (missing where censored), `_low`, `_high`,
    `_level`, `_needed` (infinite where censored) and `_needed_by_baseline`, anything else under its key. Absent cells
    are missing.
    """
    records: list[dict[str, str | float | None]] = [
        {
            "suite": board.suite,
            "problem": setting.problem,
            "trainer": setting.trainer,
            **{
                key: value
                for column, cell in zip(setting.table.columns, row, strict=True)
                for key, value in _fields(column, cell).items()
            },
        }
        for setting in board.settings
        for row in setting.table.rows
    ]
    frame = pd.DataFrame.from_records(records, columns=None if records else ["suite", "problem", "trainer"])
    counts = [name for name in frame.columns if name.endswith("_n") or name in ("rank_best", "rank_worst", "seeds")]
    return frame.astype(dict.fromkeys(counts, "Int64"))


def _fields(column: Column, cell: Cell) -> dict[str, str | float | None]:
    if column.kind in ("score", "gain"):
        e = cell if isinstance(cell, Estimate) else None
        return {f"{column.key}_{part}": getattr(e, part, None) for part in ("mean", "low", "high", "n")}
    if column.kind == "rank":
        r = cell if isinstance(cell, RankRange) else None
        return {"rank_best": r.best if r else None, "rank_worst": r.worst if r else None}
    if column.kind == "saving":
        s = cell if isinstance(cell, Saving) else None
        parts = ("low", "high", "level", "needed", "needed_by_baseline")
        return {
            column.key: s.value if s and not s.censored else None,
            **{f"{column.key}_{part}": getattr(s, part, None) for part in parts},
        }
    assert not isinstance(cell, Estimate | RankRange | Saving)
    return {column.key: cell}
