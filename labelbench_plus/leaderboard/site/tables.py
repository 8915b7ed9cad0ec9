"""Tables in the words of a template: text, what it is sorted by, where it leads."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from markupsafe import Markup

from labelbench_plus.leaderboard.charts.style import Style, swatch
from labelbench_plus.leaderboard.formatting import format_cells, sort_key
from labelbench_plus.leaderboard.statistics import Estimate
from labelbench_plus.leaderboard.table import Cell, Column, Table
from labelbench_plus.shown import printable

NO_LABELS: Mapping[str, str] = {}
BEST_ON_TOP = ("gain", "count", "saving", "factor")
KEPT = ("rank", "label", "gain")  # kinds of columns that a narrow table keeps


@dataclass(frozen=True)
class Heading:
    """A column and the direction of its first sort: best on top."""

    column: Column
    classes: str
    first: str


class CellView(NamedTuple):  # of which a site has a hundred thousand
    """One cell: what is seen, what it is sorted by (None: absent, belongs last), and a quieter `aside`."""

    kind: str
    classes: str
    sort: str | None
    text: str
    aside: str
    aside_class: str


@dataclass(frozen=True)
class RowView:
    """One row, with the place that its label leads to, if any, and what archives call it, if that is another name."""

    name: str
    is_baseline: bool
    style: Style | None
    swatch: Markup
    href: str
    anchor: str
    exact: str
    bound: bool
    cells: tuple[CellView, ...]


@dataclass(frozen=True)
class TableView:
    """A whole table; `id` names it in permalinks, `sorted` says that the first column is in ascending order."""

    id: str
    label: str
    headings: tuple[Heading, ...]
    rows: tuple[RowView, ...]
    sorted: bool


def table_view(
    table: Table,
    table_id: str,
    label: str,
    higher_is_better: bool,
    baseline: str,
    details: bool,
    href: Callable[[str], str] = lambda name: "",
    drawn: Mapping[str, Style] | None = None,
    anchors: Sequence[str] = (),
    names: Sequence[str] = (),
    labels: Mapping[str, str] = NO_LABELS,
    bounds: Collection[str] = (),
) -> TableView:
    """A table for the template.

    `href`: where the label of a row leads. `drawn`: how strategies look on this page, if they are drawn at all.
    `anchors`: an id for each row. `names`: what a row is about where that is not its label. `labels`: what archives
    call a row, where that is something else. `bounds`: rows that are marked as such.
    """
    filled = table.filled(details)
    cells = list(zip(*(_cells(column, values) for column, values in filled), strict=True)) if filled else []
    named = table.names()
    rows = tuple(
        RowView(
            name=of_row,
            is_baseline=of_row == baseline,
            style=drawn[of_row] if drawn else None,
            swatch=Markup(swatch(drawn[of_row])) if drawn else Markup(""),
            href=href(label_of_row),
            anchor=anchors[i] if anchors else "",
            exact=labels.get(label_of_row, ""),
            bound=label_of_row in bounds,
            cells=cells[i],
        )
        for i, (label_of_row, of_row) in enumerate(zip(named, names or named, strict=True))
    )
    headings = tuple(_heading(column, higher_is_better) for column, _ in filled)
    return TableView(table_id, label, headings, rows, bool(headings) and headings[0].column.kind == "rank")


def sort_text(cell: Cell) -> str | None:
    """The true numbers of a cell, as the site's script reads them."""
    key = sort_key(cell)
    if isinstance(key, str):
        return printable(key)
    return " ".join(repr(part) for part in key) if key is not None else None


def _heading(column: Column, higher_is_better: bool) -> Heading:
    higher = higher_is_better if column.higher_is_better is None else column.higher_is_better
    descending = column.kind in BEST_ON_TOP or (column.kind == "score" and higher)
    descending = descending or column.key == "improvement"
    return Heading(column, _classes(column), "descending" if descending else "ascending")


def _classes(column: Column) -> str:
    align = "start" if column.kind in ("label", "rank", "text") else "end"
    return align + " detail" * column.detail + " keep" * (column.kind in KEPT)


def _cells(column: Column, cells: Sequence[Cell]) -> list[CellView]:
    views, classes = [], _classes(column)
    for cell, text in zip(cells, format_cells(column, cells), strict=True):
        aside, aside_class = "", ""
        if isinstance(cell, Estimate) and " ± " in text:
            text, _, width = text.partition(" ± ")
            aside, aside_class = f" ± {width}", "spread"
        elif column.kind in ("saving", "factor", "share") and " (" in text:
            text, _, width = text.partition(" (")
            aside, aside_class = f" ({width}", "spread"
        views.append(CellView(column.kind, classes, sort_text(cell), text, aside, aside_class))
    return views
