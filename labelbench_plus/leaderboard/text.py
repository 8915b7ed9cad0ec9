"""A board as plain text for a terminal: aligned columns, no colour, no dependency."""

from __future__ import annotations

import math
import textwrap
import unicodedata

from labelbench_plus.leaderboard.board import Board
from labelbench_plus.leaderboard.facets import FacetComparison, compare_facets
from labelbench_plus.leaderboard.formatting import amount, format_cells, sentence_list
from labelbench_plus.leaderboard.series import series_of_board
from labelbench_plus.leaderboard.setting import BoardSetting
from labelbench_plus.leaderboard.shown_scores import caveats, shown_scores
from labelbench_plus.leaderboard.statistics import ALPHA
from labelbench_plus.leaderboard.table import Table
from labelbench_plus.shown import printable

WIDTH = 115
MOST_WARNINGS = 12


def render(board: Board) -> str:
    """The whole board as text, one block a setting, ending in a newline."""
    meta = board.meta
    direction = "higher" if meta.higher_is_better else "lower"
    blocks = [
        f"{printable(meta.title)}\n{printable(meta.metric)}, {direction} is better; "
        "± is half the width of a 95 % t-interval over seeds"
    ]
    blocks += [f"note: {printable(note)}" for note in board.notes]
    blocks += [_setting(setting, meta.baseline) for setting in board.settings]
    blocks += [
        "\n".join([printable(heading), printable(one.title), "", *_table(one.table())])
        for heading, one in series_of_board(board)
    ]
    blocks += [_facet(comparison) for comparison in compare_facets([board])]
    return "\n\n".join(blocks) + "\n"


def findings(setting: BoardSetting, baseline: str, *, baseline_first: bool = False) -> tuple[str, ...]:
    """What the tests say, in sentences: who leads, and who beats the baseline.

    Parameters
    ----------
    baseline_first: a page opens with who beats the baseline, the question that most come with; published tables end so.
    """
    if setting.about.knows_truth:
        return ("This is a bound: the problem reveals what no learner can know, so nothing is ranked.",)
    n = len(setting.tests.names)
    sentences = []
    if len(setting.leaders) == 1 < n:
        sentences.append(f"{setting.leaders[0]} is significantly better than every other strategy.")
    elif len(setting.leaders) == n > 1:
        none = "The two strategies do not" if n == 2 else f"No two of the {n} strategies"
        sentences.append(f"{none} differ significantly (adjusted over all pairs).")
    elif len(setting.leaders) > 1:
        differ = int((setting.tests.adjusted <= ALPHA).sum()) // 2  # each pair stands there twice
        sentences.append(f"{differ} of {n * (n - 1) // 2} pairs differ significantly (adjusted over all pairs).")
        sentences.append(f"Leading group, in which no two differ significantly: {sentence_list(setting.leaders)}.")
    if len(setting.leaders) > 1 and math.isfinite(setting.seeds_needed):
        first, second = setting.tests.names[:2]
        sentences.append(
            f"If the difference between {first} and {second} is what it looks like, it would take about "
            f"{amount(setting.seeds_needed)} seeds to show it."
        )
    if baseline in setting.tests.names and n > 1:
        better = sentence_list(setting.beats_baseline) or "none"
        count = f"{len(setting.beats_baseline)} of {n - 1}"
        beaten = f"Significantly better than {baseline} ({count}, adjusted over these comparisons): {better}."
        sentences.insert(0 if baseline_first else len(sentences), beaten)
    praised = {*(setting.leaders if len(setting.leaders) < n else ()), *setting.beats_baseline}
    if lost := sentence_list([one for one in dict.fromkeys(c.strategy for c in setting.collapses) if one in praised]):
        sentences.append(f"Read with caution, since what guards the metric collapsed (see the warnings): {lost}.")
    return tuple(sentences)


def conditions(setting: BoardSetting) -> str:
    """Under what conditions a setting was run: budgets, rounds, what was used beside the budget, runs."""
    first, last = amount(setting.budgets[0]), amount(setting.budgets[-1])
    spent = (
        f"{last} {setting.unit} in one round"
        if len(setting.budgets) == 1
        else (f"{first} to {last} {setting.unit} in {len(setting.budgets)} rounds")
    )
    lines = {"validation labels": setting.validation_labels, **setting.beside}
    known = [f"{count:,} {name}" for name, count in lines.items() if count is not None]
    parts = [spent]
    if scores := setting.about.facets.get("scores"):
        parts.append(f"scores {scores}")
    parts += [f"{name} unknown or not the same in all runs" for name, count in lines.items() if count is None]
    parts += [f"{', '.join(known)} beside the budget"] if known else []
    return " · ".join([*parts, f"{setting.n_runs} runs"])


def _setting(setting: BoardSetting, baseline: str) -> str:
    lines = [printable(setting.name), conditions(setting), "", *_table(setting.table), ""]
    if others := shown_scores(setting):
        lines += [*_table(others), *(printable(caveat) for caveat in caveats(setting)), ""]
    for finding in findings(setting, baseline):
        lines += textwrap.wrap(printable(finding), WIDTH)
    for warning in setting.warnings[:MOST_WARNINGS]:
        lines += textwrap.wrap(f"! {printable(warning)}", WIDTH, subsequent_indent="  ")
    if more := len(setting.warnings[MOST_WARNINGS:]):
        lines.append(f"! and {more} more warnings; the page lists them all")
    return "\n".join(lines).rstrip("\n")


def _facet(comparison: FacetComparison) -> str:
    lines = [printable(comparison.title), printable(comparison.conditions), "", *_table(comparison.table()), ""]
    for finding in comparison.findings():
        lines += textwrap.wrap(printable(finding), WIDTH)
    return "\n".join(lines)


def _table(table: Table) -> list[str]:
    columns = []
    for column, values in table.filled(details=False):
        shown = format_cells(column, values)
        if column.kind in ("saving", "factor"):  # its interval has no room here; the page has it
            shown = [cell.partition(" (")[0] for cell in shown]
        cells = [printable(column.label), *shown]
        width = max(map(_cells_wide, cells))
        left = column.kind in ("label", "rank", "text")
        columns.append([_pad(cell, width, left) for cell in cells])
    lines = ["  ".join(row).rstrip() for row in zip(*columns, strict=True)]
    return [lines[0], "─" * max(map(_cells_wide, lines)), *lines[1:]]


def _pad(text: str, width: int, left: bool) -> str:
    space = " " * (width - _cells_wide(text))
    return text + space if left else space + text


def _cells_wide(text: str) -> int:
    # Terminals give East Asian wide characters two cells and combining marks none.
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
