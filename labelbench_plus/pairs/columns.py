"""Columns of metadata, read for what they hold: nothing is converted in silence that could merge, drop or reorder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from labelbench_plus.faults import did_you_mean

WHOLE = 2**53
"""Whole numbers up to here are doubles too."""


def open_parquet(path: Path) -> Any:
    """A parquet file.

    Raises
    ------
    FileNotFoundError, ValueError
        There is none, or it is damaged or something else; the message names it.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path} is not a parquet file, or damaged ({error})") from error


def read_column(path: Path, name: str) -> Any:
    """A column of a parquet file as an arrow array.

    Raises
    ------
    KeyError, ValueError
        There is none of that name, or it is damaged; the message names the file.
    """
    import pyarrow as pa

    with open_parquet(path) as file:
        known = file.schema_arrow.names
        if name not in known:
            raise KeyError(f"{path}: has no column {name!r}{did_you_mean(name, known)} (it has {', '.join(known)})")
        try:
            return file.read(columns=[name], use_threads=False)[name].combine_chunks()
        except (pa.ArrowException, OSError) as error:
            raise ValueError(f"{path}: column {name!r} is damaged ({error})") from error


def write_numbers(columns: Mapping[str, np.ndarray], file: IO[bytes]) -> None:
    """Write (n,) numbers as a parquet file, uncompressed. Buffer by buffer: arrow loads pandas to look at an array."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays = [
        pa.Array.from_buffers(pa.from_numpy_dtype(array.dtype), len(array), [None, pa.py_buffer(array)])
        for array in map(np.ascontiguousarray, columns.values())
    ]
    table = pa.Table.from_arrays(arrays, names=list(columns))
    pq.write_table(table, file, compression="none", use_dictionary=False)


def read_numbers(path: Path, *names: str) -> tuple[np.ndarray, ...]:
    """Columns of what `write_numbers` wrote, without pandas too; not to be written to."""
    with open_parquet(path) as file:
        table = file.read(columns=list(names), use_threads=False)
    return tuple(np.from_dlpack(table[name].combine_chunks()) for name in names)


def scores(column: Any, where: str) -> np.ndarray:
    """A column of numbers as (n,) float32, where it is stored in half or single precision, or float64; NaN where empty.

    Raises
    ------
    ValueError
        It does not hold numbers, or whole numbers that no double is equal to.
    """
    import pyarrow as pa
    import pyarrow.types as types

    kind = column.type
    if types.is_null(kind):
        return np.full(len(column), np.nan, dtype=np.float32)
    if types.is_float16(kind) or types.is_float32(kind):
        found = column.cast(pa.float32())
    elif types.is_float64(kind):
        found = column
    elif types.is_integer(kind):
        try:
            found = column.cast(pa.float64())  # refuses what it would round
        except pa.ArrowInvalid as error:
            raise ValueError(f"{where} holds whole numbers beyond ±2⁵³, which would be rounded ({error})") from error
    else:
        raise ValueError(f"{where} holds {kind}, a score must be a number")
    return np.asarray(found.to_numpy(zero_copy_only=False))


def exact_scores(values: np.ndarray, what: str) -> np.ndarray:
    """Scores in a type that they can be compared in: float32 or float64, as they come; half precision as float32.

    Raises
    ------
    ValueError
        They are no numbers, or whole numbers that no double is equal to.
    """
    if values.dtype in (np.float32, np.float64):
        return values
    if values.dtype == np.float16 or values.dtype == bool:
        return values.astype(np.float32)
    if values.dtype.kind not in "iu":
        raise ValueError(f"{what} must be numbers, got {values.dtype}")
    if len(values) and (int(values.max()) > WHOLE or int(values.min()) < -WHOLE):
        raise ValueError(f"{what} are whole numbers beyond ±2⁵³, which would be rounded")
    return values.astype(np.float64)


def texts(values: np.ndarray, what: str, rows: np.ndarray | None = None) -> list[str | None]:
    """Texts of a column, None where there is none; bytes are read as UTF-8.

    Parameters
    ----------
    rows: (n,) what messages call each of them; by its place if left out.

    Raises
    ------
    ValueError
        One of them is something else; the message names the first.
    """
    found: list[str | None] = []
    for row, value in zip(range(len(values)) if rows is None else rows, values.tolist(), strict=True):
        if isinstance(value, bytes):
            try:
                value = value.decode("utf-8")
            except UnicodeDecodeError as error:
                raise ValueError(f"{what}, row {row}: bytes that are not UTF-8 ({error})") from error
        if value is not None and not isinstance(value, str):
            if value != value:  # NaN, as tables write an empty cell
                value = None
            else:
                raise ValueError(f"{what}, row {row}: expected a text, got {value!r}")
        found.append(value)
    return found
