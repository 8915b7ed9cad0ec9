"""From learning curves to a leaderboard: statistics, tables, page.

`build_board` turns curves into data, `text.render`, `markdown.render`, `frame.to_frame` and `page.render`
show it, `build` writes the whole folder.
"""

from labelbench_plus.leaderboard.board import Board, build_board
from labelbench_plus.leaderboard.publish import build
from labelbench_plus.leaderboard.runs import BoardMeta

__all__ = ["Board", "BoardMeta", "build", "build_board"]
