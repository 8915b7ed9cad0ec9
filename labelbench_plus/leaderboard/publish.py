"""Write a leaderboard as one folder: a page to read, tables to paste, data to work with."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pandas as pd

from labelbench_plus.leaderboard import markdown, page
from labelbench_plus.leaderboard.board import build_board
from labelbench_plus.leaderboard.frame import to_frame
from labelbench_plus.leaderboard.runs import BoardMeta
from labelbench_plus.store.atomic import replace


def build(curves: pd.DataFrame, meta: BoardMeta, folder: Path) -> Path:
    """Write index.html, table.md, table.csv and curves.csv into `folder` and return the path of index.html.

    `curves`: see `runs.read_runs`. The same curves in any row order give the same bytes. Each file is
    replaced in one step and the page last, so that nobody meets half a file, nor a page ahead of its data.
    """
    board = build_board(curves, meta)
    keys = ["problem", "trainer", "strategy", "seed", "run_id", "round"]
    data = curves.sort_values(keys, kind="stable").to_csv(index=False, lineterminator="\n")
    digest = hashlib.sha256(data.encode()).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    replace(folder / "curves.csv", data.encode())
    replace(folder / "table.csv", to_frame(board).to_csv(index=False, lineterminator="\n").encode())
    replace(folder / "table.md", markdown.render(board).encode())
    replace(folder / "index.html", page.render(board, digest).encode())
    return folder / "index.html"
