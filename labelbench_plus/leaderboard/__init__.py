"""From learning curves to a leaderboard: statistics, tables, a site.

`results.Results` are curves and what a board must know of them; `build_board` turns them into data, `text.render`,
`markdown.render` and `frame.to_frame` show it, `site.build_site` writes the pages.
"""

from labelbench_plus.leaderboard.board import Board, build_board
from labelbench_plus.leaderboard.results import Results, read_results, write_results
from labelbench_plus.leaderboard.runs import About, BoardMeta
from labelbench_plus.leaderboard.site import build_site

__all__ = ["About", "Board", "BoardMeta", "Results", "build_board", "build_site", "read_results", "write_results"]
