"""Bring your own features: a table in a CSV or parquet file, one example a row."""

from __future__ import annotations

import contextlib
import csv
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from annotated_types import Gt, Lt

from labelbench_plus.content import state_of
from labelbench_plus.datasets import Dataset, LabelledData, Split, datasets
from labelbench_plus.datasets._files import fingerprint
from labelbench_plus.datasets._labels import ASK, FEW, as_text, classes_of_text, only_elsewhere, whole_numbers
from labelbench_plus.datasets._splits import random_split, stratified_split
from labelbench_plus.faults import did_you_mean
from labelbench_plus.plugins import Infra, Outside, Since

if TYPE_CHECKING:
    import pandas as pd

PARTS = ("pool", "validation", "test")
SYNONYMS = {"train": "pool", "val": "validation", "valid": "validation"}
SPLIT_SEED = 0
UNNAMED = re.compile(r"Unnamed: \d+(_level_\d+)?|")


@datasets.register("feature_table")
@dataclass(frozen=True)
class FeatureTable(Dataset):
    """Your own features and labels, from a `.csv` or `.parquet` file with one example a row.

    Labels are classes, numbers or text, which are numbered in their order (numbers by size, text by letter), or real
    values, for the problem `regression`. In a CSV file classes are what is written: `007` and `7` are two, and so are
    `1e2` and `100`; a class may be called NA, and an empty cell is refused. Labels that look the same ("ja" and "ja ")
    are refused. Features are numbers, or in parquet also lists of numbers of one length (an
    embedding); all of them finite.

    Without a column that says so, rows are divided into pool, validation and test part at random, the same way for
    every run; by class if there are classes.

    Parameters
    ----------
    path: the file. What counts for a run's identity is its content, not where it lies.
    label: the column with the labels.
    features: the columns with features; default: all columns without another use.
    split: a column with "pool" (or "train"), "validation" (or "val", "valid") and "test".
    price: a column with what the label of an example of the pool costs.
    group: a column with integers, for scores of the worst group.
    validation_share, test_share: of the rows, where there is no column `split`.
    target: whether labels are "classes" or "values". Text and whole numbers, of which there are few different or five
        of each and more, are classes where nothing is said; other numbers might be either, and are refused.

    Example
    -------
    dataset: {name: feature_table, path: wine.csv, label: cultivar, target: classes}
    """

    title = "Your own features"

    path: Annotated[Path, Infra(), Outside("files")]
    label: str = "label"
    features: tuple[str, ...] = ()
    split: str | None = None
    price: str | None = None
    group: str | None = None
    validation_share: Annotated[float, Gt(0), Lt(1)] = 0.1
    test_share: Annotated[float, Gt(0), Lt(1)] = 0.2
    target: Annotated[Literal["classes", "values"] | None, Since("0.1")] = None

    def load(self) -> LabelledData:
        """Read and check the file.

        Raises
        ------
        FileNotFoundError
            The file does not exist.
        ValueError
            It is no table of that kind, or a column is missing or holds something else; the message names it.
        """
        path = self.path.expanduser()
        as_written = (self.split, self.group, None if self.target == "values" else self.label)
        table = _read(path, exact=self.label if self.target == "values" else None, as_written=as_written)
        others = [name for name in (self.label, self.split, self.price, self.group) if name is not None]
        if missing := [name for name in (*others, *self.features) if name not in table.columns]:
            hint = did_you_mean(missing[0], map(str, table.columns))
            there = ", ".join(map(str, table.columns))
            raise ValueError(f"{path} has no column {', '.join(missing)}{hint} (it has {there})")
        columns = self.features or tuple(name for name in table.columns if name not in others)
        if unnamed := [name for name in columns if UNNAMED.fullmatch(str(name)) and name not in self.features]:
            raise ValueError(
                f"{path}: {len(unnamed)} columns have no name ({unnamed[0]}): an index that was written along? Write "
                "the table without it, or name the columns of features in `features`"
            )
        if not columns or not len(table):
            raise ValueError(f"{path} has {len(table)} rows and {len(columns)} columns of features; neither may be 0")
        inputs = np.concatenate([_numbers(table, name, path) for name in columns], axis=1)
        if (empty := table[self.label].isna()).any():
            raise ValueError(f"{path}: column {self.label!r} is empty in {_where(path, np.flatnonzero(empty)[0])}")
        labels, classes = self._labels(table[self.label].to_numpy(), path)
        groups = None if self.group is None else _groups(table, self.group, path)
        rows = self._rows(table, labels, path)
        if classes and self.split is not None:
            others_have = {name: labels[part] for name, part in zip(PARTS[1:], rows[1:], strict=True)}
            if wrong := only_elsewhere(labels[rows[0]], others_have, classes):
                raise ValueError(f"{path}: {wrong}")
        pool, validation, test = (
            Split(inputs[part], labels[part], None if groups is None else groups[part]) for part in rows
        )
        prices = None
        if self.price is not None:
            prices = _column(table, self.price, "iuf", path).astype(np.float64)[rows[0]]
            if not (np.isfinite(prices) & (prices > 0)).all():
                raise ValueError(f"{path}: column {self.price!r} must be positive for every example of the pool")
        return LabelledData(pool, validation, test, classes, pool_prices=prices)

    def _labels(self, column: np.ndarray, path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
        """Real values (n,) and no names, or the numbers (n,) of classes and their names."""
        numbers = column.dtype.kind in "iuf"
        if self.target == "values":
            if not numbers:
                raise ValueError(f"{path}: column {self.label!r} does not hold numbers, so it has no values")
            values = column if column.dtype == np.float32 else column.astype(np.float64)
            if len(wrong := np.flatnonzero(~np.isfinite(values))):
                where = _where(path, wrong[0])
                raise ValueError(f"{path}: column {self.label!r} must be finite, {where} has {values[wrong[0]]}")
            return values, ()
        where, said = f"{path}: column {self.label!r}", self.target is not None
        if column.dtype == object:
            text = path.suffix == ".csv"
            labels, names = classes_of_text(as_text(column, where), where, said=said, from_text_file=text)
            return labels, tuple(names)
        different = len(np.unique(column))
        many = different > FEW and 5 * different > len(column)
        if not said and (column.dtype.kind == "f" or (numbers and many)):
            raise ValueError(f"{where} holds {different} different numbers such as {column[0]}: {ASK}")
        found, labels = np.unique(column, return_inverse=True)
        return labels, tuple(map(str, found))

    def _rows(self, table: pd.DataFrame, labels: np.ndarray, path: Path) -> list[np.ndarray]:
        if self.split is None:
            sizes = [round(share * len(table)) for share in (self.validation_share, self.test_share)]
            sizes.insert(0, len(table) - sum(sizes))
            if min(sizes) < 1:
                raise ValueError(f"{path}: {len(table)} rows cannot be divided into parts of {sizes}")
            if labels.dtype.kind == "f":
                return list(random_split(len(labels), sizes, SPLIT_SEED))
            return list(stratified_split(labels, sizes, SPLIT_SEED))
        named = np.array([SYNONYMS.get(str(value), str(value)) for value in table[self.split]])
        if unknown := sorted(set(named) - set(PARTS)):
            raise ValueError(f"{path}: column {self.split!r} must say {', '.join(PARTS)}, it says {', '.join(unknown)}")
        rows = [np.flatnonzero(named == part) for part in PARTS]
        if empty := [part for part, found in zip(PARTS, rows, strict=True) if not len(found)]:
            raise ValueError(f"{path}: by column {self.split!r} no row is in {', '.join(empty)}")
        return rows

    def state(self) -> tuple[int, ...]:
        return state_of(self.path.expanduser())

    def fingerprint(self) -> str:
        return fingerprint(self)


def _read(path: Path, *, exact: str | None, as_written: tuple[str | None, ...]) -> pd.DataFrame:
    """The table. pandas may read numbers of a CSV file one bit off, but not those of the column `exact`.

    Columns of a CSV file that are `as_written` hold their texts, None where there is none: "007" is not 7, NA is text.
    """
    import pandas as pd
    import pyarrow as pa

    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    if path.suffix not in (".csv", ".parquet"):
        raise ValueError(f"{path} must be called .csv or .parquet")
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        table = pd.read_csv(path, dtype=None if exact is None else {exact: str})
        header = pd.read_csv(path, header=None, nrows=1, dtype=str, keep_default_na=False).iloc[0].tolist()
        if twice := sorted({name for name in header if name and header.count(name) > 1}):
            raise ValueError(f"{path}: several columns are called {', '.join(twice)}")
        if texts := [name for name in dict.fromkeys(as_written) if name in table.columns]:
            written = pd.read_csv(path, usecols=texts, dtype=str, keep_default_na=False)
            for name in texts:
                table[name] = written[name].where(written[name] != "", None).astype(object)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not a table, or damaged ({error})") from error
    if exact in table.columns:
        with contextlib.suppress(ValueError):  # text stays text
            table[exact] = np.array([float(value) for value in table[exact]])
    return table


def _where(path: Path, row: int) -> str:
    """Where a row of the table stands in its file, as an editor counts lines: from 1, with header and blank ones."""
    if path.suffix == ".parquet":
        return f"row {row + 1} (counted from 1)"
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv.reader(file)
        starts, before = [], 0
        for cells in reader:
            if cells:
                starts.append(before + 1)
                if len(starts) > row + 1:
                    break
            before = reader.line_num
    return f"line {starts[row + 1]}"


def _groups(table: pd.DataFrame, name: str, path: Path) -> np.ndarray:
    column = table[name]
    if path.suffix == ".csv":
        return whole_numbers(column.fillna("").to_numpy(), f"{path}: column {name!r}")
    return _column(table, name, "iu", path).astype(np.int64)


def _column(table: pd.DataFrame, name: str, kinds: str, path: Path) -> np.ndarray:
    values = table[name].to_numpy()
    if values.dtype.kind not in kinds:
        raise ValueError(f"{path}: column {name!r} must hold {'integers' if 'f' not in kinds else 'numbers'}")
    return values


def _numbers(table: pd.DataFrame, name: str, path: Path) -> np.ndarray:
    """(n, 1) or (n, width) float32 or float64."""
    values = table[name].to_numpy()
    if values.dtype == object:
        lists = [np.asarray(value) for value in values]
        widths = {value.shape for value in lists}
        if len(widths) != 1 or len(next(iter(widths))) != 1:
            raise ValueError(
                f"{path}: column {name!r} holds neither numbers nor lists of numbers of one length; "
                "name the columns of features in `features`"
            )
        values = np.stack(lists)
    if values.dtype.kind not in "iufb":
        raise ValueError(f"{path}: column {name!r} does not hold numbers; name the columns of features in `features`")
    if values.dtype.kind in "iu" and values.size and int(abs(values.astype(object)).max()) > 2**53:
        raise ValueError(f"{path}: column {name!r} holds whole numbers beyond ±2⁵³, which would be rounded")
    rows = values.reshape(len(values), -1)
    rows = rows if rows.dtype == np.float32 else rows.astype(np.float64)
    if not np.isfinite(rows).all():
        bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
        more = f", nor are {len(bad) - 1} other rows" if len(bad) > 1 else ""
        raise ValueError(f"{path}: column {name!r} must be finite, {_where(path, bad[0])} is not{more}")
    return rows
