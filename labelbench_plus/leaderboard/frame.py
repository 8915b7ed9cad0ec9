"""A board as a pandas table, for CSV and for further work: full precision, one row a strategy and setting."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from labelbench_plus.leaderboard.board import Board
from labelbench_plus.leaderboard.facets import FacetComparison
from labelbench_plus.leaderboard.series import gather
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


def series_frame(boards: Sequence[Board]) -> pd.DataFrame:
    """All series of some boards at every budget, one row a point: of strategies, and of what is given beside them.

    Columns: suite, problem, trainer, spent, series, given ("reference", "best"; missing of a strategy), strategy, at,
    column, mean, low, high, n. A point that no seed has is no row.
    """
    records = [
        {
            "suite": board.suite,
            "problem": setting.problem,
            "trainer": setting.trainer,
            "spent": found.budget,
            "series": found.series.name,
            "given": given,
            "strategy": strategy,
            "at": at,
            "column": column,
            **{part: getattr(estimate, part) for part in ("mean", "low", "high", "n")},
        }
        for board in boards
        for setting in board.settings
        for number in range(len(setting.budgets))
        for found in gather(setting, number)
        for given, strategy, points in (
            *((None, name, points) for name, points in found.lines.items()),
            *((kind, None, points) for kind, points in found.given.items()),
        )
        for column, estimates in points.items()
        for at, estimate in zip(found.series.at, estimates, strict=True)
        if estimate is not None
    ]
    return pd.DataFrame.from_records(records)


def facets_frame(comparisons: Sequence[FacetComparison]) -> pd.DataFrame:
    """All comparisons along one facet, one row a value, strategy and budget; `spent` is missing of the area.

    Columns: facet, problem, trainer, metric, reference, value, role, strategy, spent, gain (mean, low, high, n), then
    of areas p, p_holm, and the label factor as the saving that it is made of (`label_saving`, missing where censored).
    """
    records = []
    for one in comparisons:
        same = {name: getattr(one, name) for name in ("facet", "problem", "trainer", "metric", "reference")}
        for gain in one.gains:
            row = {**same, "value": gain.value, "role": one.roles.get(gain.value), "strategy": gain.strategy}
            saving = gain.labels.value if gain.labels and not gain.labels.censored else None
            tests = {"p": gain.p, "p_holm": gain.adjusted, "label_saving": saving}
            for spent, estimate in ((None, gain.area), *zip(one.budgets, gain.points, strict=True)):
                parts = {f"gain_{part}": getattr(estimate, part) for part in ("mean", "low", "high", "n")}
                records.append({**row, "spent": spent, **parts, **(tests if spent is None else {})})
    return pd.DataFrame.from_records(records)
