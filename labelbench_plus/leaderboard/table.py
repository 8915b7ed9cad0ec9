"""Tables as data: typed cells under columns that say what they mean. Renderers know nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from labelbench_plus.leaderboard.statistics import Estimate, RankRange, Saving

Cell = str | int | float | Estimate | RankRange | Saving | None
Kind = Literal[
    "label",
    "text",
    "rank",
    "score",
    "gain",
    "share",
    "saving",
    "factor",
    "count",
    "number",
    "reported",
    "seconds",
    "bytes",
]


@dataclass(frozen=True)
class Column:
    """One column: `key` names it in CSV, `label` heads it, `about` defines it in one sentence.

    `kind` says how its cells are shown; "factor" is a saving told as how many times fewer labels are needed. `detail`
    columns are left out where there is little room (terminal, Markdown, overview). `later` columns came when results
    were published already: a table that knows nothing of one does not have it. `higher_is_better`: where a "score" does
    not go by the board's metric.
    """

    key: str
    label: str
    kind: Kind
    about: str
    detail: bool = False
    later: bool = False
    higher_is_better: bool | None = None


@dataclass(frozen=True)
class Table:
    """Typed cells, `rows[i][j]` under `columns[j]`, in the order in which they should be read."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def filled(self, details: bool) -> list[tuple[Column, list[Cell]]]:
        """Columns with at least one value, each with its cells; `details` takes the detail columns in too."""
        columns = [(column, [row[j] for row in self.rows]) for j, column in enumerate(self.columns)]
        return [
            (column, cells)
            for column, cells in columns
            if (details or not column.detail) and any(cell is not None for cell in cells)
        ]

    def names(self) -> list[str]:
        """The text of the label column, row by row."""
        j = next(j for j, column in enumerate(self.columns) if column.kind == "label")
        return [str(row[j]) for row in self.rows]
