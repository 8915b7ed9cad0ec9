"""Reads flight logs in the format of Neural-Fly: one CSV a flight, vectors as text in a cell."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

INPUTS = (("v", 3, 1.0), ("q", 4, 1.0), ("pwm", 4, 1000.0))
"""Columns that make up the input, how long each vector is, and by what it is divided."""

FORCE = "fa"
AXES = "xyz"
NAME = re.compile(r"(?P<what>.+)_(?P<wind>[0-9a-z]+)\.csv")


@dataclass(frozen=True)
class Flight:
    """One flight in time order: `inputs` (n, 11) velocity, attitude and motor speeds; `force` (n, 3)."""

    condition: str
    inputs: np.ndarray
    force: np.ndarray


def read_flights(folder: Path) -> list[Flight]:
    """Every log `<controller>_<wind>.csv` of a folder, sorted by name.

    Raises
    ------
    FileNotFoundError
        There is no such folder, or no log in it; the message says where to get the logs.
    ValueError
        A file is not such a log: names the file, and the column or row.
    """
    files = sorted(path for path in folder.glob("*.csv") if NAME.fullmatch(path.name)) if folder.is_dir() else []
    if not files:
        raise FileNotFoundError(
            f"no flight logs named CONTROLLER_WIND.csv in {folder}. They are not shipped with this package: the "
            "repository aerorobotics/neural-fly on GitHub has them (folder data/experiment), for personal and "
            "educational use; name your copy's folder with folder: PATH"
        )
    return [_read(file) for file in files]


def _read(file: Path) -> Flight:
    import pandas as pd

    table = pd.read_csv(file)
    wanted = [*(name for name, _, _ in INPUTS), FORCE]
    if missing := [name for name in wanted if name not in table.columns]:
        raise ValueError(f"{file.name}: no column {missing[0]!r}; it has {', '.join(map(str, table.columns))}")
    parts = [_vectors(file, table[name], length) / scale for name, length, scale in INPUTS]
    matched = NAME.fullmatch(file.name)
    assert matched is not None
    return Flight(matched["wind"], np.concatenate(parts, axis=1), _vectors(file, table[FORCE], len(AXES)))


def _vectors(file: Path, column: pd.Series, length: int) -> np.ndarray:
    rows = []
    for number, text in enumerate(column):
        try:
            values = np.array(json.loads(text), dtype=np.float64)
        except (TypeError, ValueError):
            values = np.empty(0)
        if values.shape != (length,) or not np.isfinite(values).all():
            raise ValueError(f"{file.name}: line {number + 2}: {column.name} must be {length} numbers, got {text!r}")
        rows.append(values)
    return np.array(rows).reshape(-1, length)
