"""A board as GitHub-flavoured Markdown: one table a setting, definitions below."""

from __future__ import annotations

from labelbench_plus.leaderboard.board import Board
from labelbench_plus.leaderboard.facets import compare_facets
from labelbench_plus.leaderboard.formatting import format_cells
from labelbench_plus.leaderboard.series import series_of_board
from labelbench_plus.leaderboard.setting import BoardSetting, columns_of
from labelbench_plus.leaderboard.shown_scores import caveats, shown_scores
from labelbench_plus.leaderboard.table import Table
from labelbench_plus.leaderboard.text import conditions, findings
from labelbench_plus.shown import markdown, markdown_line


def render(board: Board) -> str:
    """The whole board as Markdown, ending in a newline."""
    blocks = [f"# {markdown(board.meta.title)}"]
    blocks += [f"> **Note:** {markdown(note)}" for note in board.notes]
    for setting in board.settings:
        blocks += _setting(setting, board.meta.baseline)
    for heading, one in series_of_board(board):
        blocks += [f"## {markdown(heading)}: {markdown(one.title)}", _table(one.table())]
    for comparison in compare_facets([board]):
        blocks += [f"## {markdown(comparison.title)}", markdown(comparison.conditions), _table(comparison.table())]
        blocks += [markdown_line(finding) for finding in comparison.findings()]
    if board.settings:
        had = {column.key for setting in board.settings for column in setting.table.columns}
        shown = [column for column in columns_of(board.meta) if column.key in had and not column.detail]
        blocks.append("## Definitions")
        blocks.append("\n".join(f"* **{markdown(c.label)}**: {markdown(c.about)}." for c in shown))
    return "\n\n".join(blocks) + "\n"


def _setting(setting: BoardSetting, baseline: str) -> list[str]:
    blocks = [f"## {markdown(setting.name)}", markdown(conditions(setting)), _table(setting.table)]
    if others := shown_scores(setting):
        blocks += [_table(others), *(markdown_line(caveat) for caveat in caveats(setting))]
    blocks += [markdown_line(finding) for finding in findings(setting, baseline)]
    if setting.warnings:
        blocks.append("\n".join(f"* ⚠ {markdown(warning)}" for warning in setting.warnings))
    return blocks


def _table(table: Table) -> str:
    shown = table.filled(details=False)
    cells = [[markdown(text) for text in format_cells(column, values)] for column, values in shown]
    lines = [[markdown(column.label) for column, _ in shown]]
    lines.append([":--" if column.kind in ("label", "rank", "text") else "--:" for column, _ in shown])
    lines += [list(row) for row in zip(*cells, strict=True)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
