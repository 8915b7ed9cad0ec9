"""A board as GitHub-flavoured Markdown: one table a setting, definitions below."""

from __future__ import annotations

import re

from labelbench_plus.leaderboard.board import Board
from labelbench_plus.leaderboard.formatting import format_cells, printable
from labelbench_plus.leaderboard.setting import BoardSetting, columns_of
from labelbench_plus.leaderboard.table import Table
from labelbench_plus.leaderboard.text import conditions, findings


def render(board: Board) -> str:
    """The whole board as Markdown, ending in a newline."""
    blocks = [f"# {_escape(board.meta.title)}"]
    blocks += [f"> **Note:** {_escape(note)}" for note in board.notes]
    for setting in board.settings:
        blocks += _setting(setting, board.meta.baseline)
    if board.settings:
        had = {column.key for setting in board.settings for column in setting.table.columns}
        shown = [column for column in columns_of(board.meta) if column.key in had and not column.detail]
        blocks.append("## Definitions")
        blocks.append("\n".join(f"* **{_escape(c.label)}**: {_escape(c.about)}." for c in shown))
    return "\n\n".join(blocks) + "\n"


def _setting(setting: BoardSetting, baseline: str) -> list[str]:
    blocks = [f"## {_escape(setting.name)}", _escape(conditions(setting)), _table(setting.table)]
    blocks += [_escape(finding) for finding in findings(setting, baseline)]
    if setting.warnings:
        blocks.append("\n".join(f"* ⚠ {_escape(warning)}" for warning in setting.warnings))
    return blocks


def _table(table: Table) -> str:
    shown = table.filled(details=False)
    cells = [[_escape(text) for text in format_cells(column, values)] for column, values in shown]
    lines = [[_escape(column.label) for column, _ in shown]]
    lines.append([":--" if column.kind in ("label", "rank") else "--:" for column, _ in shown])
    lines += [list(row) for row in zip(*cells, strict=True)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _escape(text: str) -> str:
    # A backslash disarms Markdown's own marks; entities disarm HTML, which Markdown lets through.
    escaped = re.sub(r"([\\`*_{}\[\]#|~$@])", r"\\\1", printable(text))
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
