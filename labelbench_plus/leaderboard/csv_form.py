"""Tables as CSV that no spreadsheet calculates, and back: texts as `shown.csv_cell` has them, numbers as they are."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import IO, Any

import numpy as np
import pandas as pd

from labelbench_plus.shown import csv_cell, from_csv_cell

ROWS_AT_ONCE = 2_000  # whose cells are texts at one time


def written(table: pd.DataFrame) -> bytes:
    """The table in UTF-8, with its names of columns."""
    buffer = io.BytesIO()
    write(table, buffer)
    return buffer.getvalue()


def write(table: pd.DataFrame, file: IO[bytes]) -> None:
    """The same into a file that is open for bytes: what pandas writes, byte for byte, in half of its time."""
    names = [_quoted(csv_cell(str(name))) for name in table.columns]
    file.write(",".join(names).encode() + b"\n")
    for start in range(0, len(table), ROWS_AT_ONCE):
        rows = table.iloc[start : start + ROWS_AT_ONCE]
        columns = [_written(rows.iloc[:, place], alone=len(names) == 1) for place in range(len(names))]
        file.write("".join(f"{line}\n" for line in map(",".join, zip(*columns, strict=True))).encode())


def _written(column: pd.Series, alone: bool) -> list[str]:
    """The cells of a column: nothing where a value is missing, or quotation marks where nothing else is in the line."""
    # As objects they are single-precision numbers no more, and have other digits.
    values = list(column.array) if column.dtype == np.float32 else column.astype(object).tolist()
    known = {value: _quoted(csv_cell(value)) for value in {each for each in values if isinstance(each, str)}}
    cells = [known[value] if isinstance(value, str) else str(value) for value in values]
    for place in np.flatnonzero(column.isna()).tolist():
        cells[place] = ""
    return [cell or '""' for cell in cells] if alone else cells


def _quoted(cell: str) -> str:
    return '"{}"'.format(cell.replace('"', '""')) if "," in cell or '"' in cell else cell  # printed, so of one line


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
