"""From learning curves to a leaderboard: statistics, tables, page.

`build_board` turns curves into data, `text.render`, `markdown.render`, `frame.to_frame` and `page.render`
show it, `build` writes the whole folder.
"""

from .board import Board, build_board
from .publish import build
from .runs import BoardMeta

__all__ = ["Board", "BoardMeta", "build", "build_board"]
