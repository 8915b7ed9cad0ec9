"""A sweep at a glance, for a terminal: a bar, strategies × problems, and the causes of failures."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import accumulate, pairwise

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from labelbench_plus.running.failures import FailureGroup
from labelbench_plus.shown import printable
from labelbench_plus.sweep.state import RunStatus, State, SweepStatus

COLOURS = {
    State.DONE: "green",
    State.INVALID: "bold red",
    State.RUNNING: "cyan",
    State.REQUEUED: "yellow",
    State.PENDING: "blue",
    State.CANCELLED: "bright_black",
    State.WAITING: "bright_magenta",
    State.FAILED: "red",
    State.UNKNOWN: "magenta",
    State.LOST: "bold yellow",
    State.NEW: "white",
}
SIGNS = {
    State.DONE: "✓",
    State.RUNNING: "▶",
    State.REQUEUED: "↻",
    State.WAITING: "…",
    State.FAILED: "✗",
    State.INVALID: "!",
    State.LOST: "?",
}
IN_CELLS = tuple(state for state in SIGNS if state is not State.DONE)
BAR_WIDTH = 60
MOST_CAUSES = 3

Cells = dict[str, dict[str, list[RunStatus]]]


def cells_of(found: SweepStatus, rows: Sequence[str]) -> Cells:
    """Runs by row and column: the values of one or two fields of a run."""
    table: defaultdict[str, defaultdict[str, list[RunStatus]]] = defaultdict(lambda: defaultdict(list))
    for each in found.runs:
        row = str(getattr(each.run, rows[0]))
        table[row][str(getattr(each.run, rows[1])) if len(rows) > 1 else "runs"].append(each)
    return {row: dict(cells) for row, cells in table.items()}


def matrix(found: SweepStatus, rows: Sequence[str], left: str, causes: Sequence[FailureGroup], again: str) -> Group:
    """Everything worth a glance.

    Parameters
    ----------
    left: how long it will take, in words. causes: of failures. again: when it will be looked at again.
    """
    scheduler = ", ".join(f"{name}: {words}" for name, words in found.scheduler.items())
    title = Text(f"{printable(found.name)}  {found.count(State.DONE)}/{len(found.runs)} done", "bold")
    for words in filter(None, (left, scheduler, time.strftime("%T"), again)):
        title.append(f"  {printable(words)}", "not bold dim")
    parts: list[RenderableType] = [title, _bar(found), _legend(found), Text(), _table(cells_of(found, rows), rows[0])]
    if causes:
        parts.append(Text())
    for cause in causes[:MOST_CAUSES]:
        where = f" in {cause.where}" if cause.where else ""
        words = printable(f"✗ {len(cause.runs)} {cause.what.splitlines()[0]}{where}")
        parts.append(Text(words, "red", no_wrap=True))
        if cause.suggestion:
            parts.append(Text(f"  {printable(cause.suggestion)}", "dim"))
    if len(causes) > MOST_CAUSES:
        parts.append(Text(f"  and {len(causes) - MOST_CAUSES} more causes", "dim"))
    return Group(*parts)


def _bar(found: SweepStatus) -> Text:
    bar, total = Text(no_wrap=True), max(1, len(found.runs))
    ends = [round(BAR_WIDTH * count / total) for count in accumulate(map(found.count, State), initial=0)]
    for state, (start, end) in zip(State, pairwise(ends), strict=True):
        bar.append("━" * (end - start), COLOURS[state])
    return bar


def _legend(found: SweepStatus) -> Text:
    legend = Text()
    for state in State:
        if number := found.count(state):
            legend.append(f"{SIGNS.get(state, '·')} {number} {state.lower()}   ", COLOURS[state])
    return legend


def _table(cells: Cells, corner: str) -> Table:
    columns = sorted({column for row in cells.values() for column in row})
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    table.add_column(corner, no_wrap=True)
    for column in columns:
        table.add_column(Text(printable(column)))
    width = max((len(str(len(runs))) for row in cells.values() for runs in row.values()), default=1)
    for row, by_column in cells.items():
        table.add_row(Text(printable(row)), *[_cell(by_column.get(column, []), width) for column in columns])
    return table


def _cell(members: Sequence[RunStatus], width: int) -> Text:
    """Done of all first, so that numbers stand below each other, then what is under way or wrong."""
    if not members:
        return Text("·", "dim")
    counts = Counter(each.state for each in members)
    whole = counts[State.DONE] == len(members)
    text = Text(f"{counts[State.DONE]:>{width}}/{len(members)}", "green" if whole else "")
    for state in IN_CELLS:
        if counts[state]:
            text.append(f" {SIGNS[state]}{counts[state]}", COLOURS[state])
    return text
