"""Tables as CSV that no spreadsheet calculates, and back: texts as `shown.csv_cell` has them, numbers as they are."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import pandas as pd

from labelbench_plus.shown import csv_cell, from_csv_cell


def written(table: pd.DataFrame) -> bytes:
    """The table in UTF-8, with its names of columns."""
    shown = table.copy(deep=False)
    for place in range(table.shape[1]):
        if not pd.api.types.is_numeric_dtype(table.dtypes.iloc[place]):
            cells = table.iloc[:, place].astype(object)
            shown.isetitem(place, cells.map(lambda cell: csv_cell(cell) if isinstance(cell, str) else cell).array)
    shown.columns = pd.Index([csv_cell(str(name)) for name in table.columns])
    return shown.to_csv(index=False, lineterminator="\n").encode()


def read(content: bytes, texts: Mapping[str, type[str]]) -> pd.DataFrame:
    """What `written` wrote.

    Parameters
    ----------
    texts: columns of labels, which are read as they stand: a strategy may be called "None" or "nan". An empty cell of
        another column is no number.

    Raises
    ------
    ValueError
        It is no table in UTF-8.
    """
    names = pd.read_csv(io.BytesIO(content), nrows=0).columns
    empty: dict[str, Any] = {name: [""] for name in names if name not in texts}
    table = pd.read_csv(io.BytesIO(content), dtype=dict(texts), keep_default_na=False, na_values=empty)
    for name in table.columns:
        if name in texts:
            table[name] = [from_csv_cell(cell) for cell in table[name]]
    return table.rename(columns=from_csv_cell)
