"""Write a leaderboard as one folder: a page to read, tables to paste, data to work with."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

import pandas as pd

from . import markdown, page
from .board import build_board
from .frame import to_frame
from .runs import BoardMeta


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
    _replace(folder / "curves.csv", data)
    _replace(folder / "table.csv", to_frame(board).to_csv(index=False, lineterminator="\n"))
    _replace(folder / "table.md", markdown.render(board))
    _replace(folder / "index.html", page.render(board, digest))
    return folder / "index.html"


def _replace(path: Path, content: str) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # mkstemp gives the owner alone the right to read
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
