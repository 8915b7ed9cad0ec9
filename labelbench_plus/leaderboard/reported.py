"""Results that others published: listed with their source, and never ranked beside runs.

reported.json    title, about, which columns tell tables apart, and what each column holds (`read_reported`)
reported.csv     one row a result
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pandas as pd

from labelbench_plus.inputs import plain_json
from labelbench_plus.leaderboard.results import ResultsError
from labelbench_plus.leaderboard.table import Cell, Column, Table
from labelbench_plus.shown import csv_cell

FORMAT = 1
REPORTED = "reported.json"
TRUST = Column("trust", "trust", "text", "how far it was verified")
NOT_RUN = "reported, not run here"


@dataclass(frozen=True)
class Reported:
    """Tables of reported results, each under the words that tell it from the others.

    `csv`: all of them as they were given.
    """

    title: str
    about: str
    tables: tuple[tuple[str, Table], ...]
    csv: bytes


def reported_among(sources: Sequence[Path] | None) -> list[Reported]:
    """What others published: the folders of such results among the sources, all below results/ if None.

    Raises
    ------
    ResultsError
        One of them is not in form.
    """
    named = sources or sorted(path.parent for path in Path("results").glob(f"*/{REPORTED}"))
    return [read_reported(source) for source in named if (source / REPORTED).is_file()]


def read_reported(folder: Path) -> Reported:
    """Read a folder with reported.json and reported.csv.

    Raises
    ------
    ResultsError
        A file is missing or is not what it should be.
    """
    about, rows = folder / REPORTED, folder / "reported.csv"
    try:
        meta = plain_json.read_file(about)
        if meta["format"] != FORMAT:
            raise ValueError("another format")
        kinds = {name: told["kind"] for name, told in meta["columns"].items()}
        if unknown := sorted(set(kinds.values()) - {"label", "text", "reported"}):
            raise ValueError(f"columns are label, text or reported (a number), not {', '.join(unknown)}")
        if list(kinds.values()).count("label") != 1:
            raise ValueError("exactly one column must be the label")
        types = {name: float if kinds.get(name) == "reported" else str for name in pd.read_csv(rows, nrows=0).columns}
        frame = pd.read_csv(rows, dtype=types, keep_default_na=False, na_values=[""])
        if missing := sorted({*kinds, *meta["tables"]} - set(frame.columns)):
            raise ValueError(f"reported.csv has no column {', '.join(missing)}")
        cells = [*frame.columns, *(cell for name in frame.columns for cell in frame[name] if isinstance(cell, str))]
        if obeyed := [cell for cell in cells if csv_cell(cell) != cell]:
            raise ValueError(f"reported.csv: {obeyed[0]!r} would be obeyed by a spreadsheet or a terminal")
        order = [name for name in frame.columns if name in kinds]
        columns = (*(Column(name, **meta["columns"][name]) for name in order), TRUST)
        listed = [
            (" · ".join(str(row[name]) for name in meta["tables"]), (*(_cell(row[name]) for name in order), NOT_RUN))
            for _, row in frame.iterrows()
        ]
        tables = tuple(
            (heading, Table(columns, tuple(cells for _, cells in some)))
            for heading, some in groupby(listed, key=lambda each: each[0])
        )
        return Reported(str(meta["title"]), str(meta["about"]), tables, rows.read_bytes())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ResultsError(f"{folder}: cannot be read as reported results: {error!r}") from error


def _cell(value: object) -> Cell:
    if isinstance(value, str):
        return value
    number = float(str(value))
    return None if math.isnan(number) else number
