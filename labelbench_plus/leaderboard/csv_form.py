"""Tables as CSV that no spreadsheet calculates, and back: texts as `shown.csv_cell` has them, numbers as they are."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import IO, Any

import numpy as np
import pandas as pd

from labelbench_plus.shown import csv_cell, from_csv_cell

ROWS_AT_ONCE = 5_000  # whose cells are texts at one time


def written(table: pd.DataFrame) -> bytes:
    """The table in UTF-8, with its names of columns."""
    buffer = io.BytesIO()
    write(table, buffer)
    return buffer.getvalue()


def write(table: pd.DataFrame, file: IO[bytes]) -> None:
    """The same into a file that is open for bytes."""
    for start in range(0, max(1, len(table)), ROWS_AT_ONCE):
        _write_rows(table.iloc[start : start + ROWS_AT_ONCE], file, header=start == 0)


def _write_rows(table: pd.DataFrame, file: IO[bytes], header: bool) -> None:
    shown = table.copy(deep=False)
    for place, dtype in enumerate(table.dtypes):
        column = table.iloc[:, place]
        if dtype == np.float64:  # the same digits as pandas writes, in a third of its time
            cells = ["" if value != value else repr(value) for value in column.tolist()]
        elif pd.api.types.is_numeric_dtype(dtype):
            continue
        else:
            objects = column.astype(object)
            known = {cell: csv_cell(cell) for cell in objects.unique() if isinstance(cell, str)}
            cells = [known[cell] if isinstance(cell, str) else cell for cell in objects]
        shown.isetitem(place, pd.Series(cells, shown.index, dtype=object).array)
    names = [csv_cell(str(name)) for name in table.columns]
    shown.to_csv(file, index=False, header=names if header else False, lineterminator="\n", encoding="utf-8")


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
        if name in texts and table[name].str.startswith("'").any():
            table[name] = [from_csv_cell(cell) for cell in table[name]]
    return table.rename(columns=from_csv_cell)
