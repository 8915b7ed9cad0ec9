"""The page that sets ways of training against ways of choosing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from labelbench_plus.leaderboard.board import Board
from labelbench_plus.leaderboard.combinations import groups
from labelbench_plus.leaderboard.site.pages import TITLE
from labelbench_plus.leaderboard.site.render import Page, render
from labelbench_plus.leaderboard.site.tables import table_view

PATH = "combinations.html"


def combinations_page(boards: Sequence[Board]) -> dict[str, bytes]:
    """The page by its path; nothing where no board has two trainers on one problem."""
    parts: list[dict[str, Any]] = []
    for board in boards:
        meta = board.meta
        for group in groups(board):
            anchor, heading = f"combination-{len(parts) + 1}", f"{meta.title}: {group.problem}"
            table = group.table(meta.baseline)
            view = table_view(table, f"{anchor}-table", heading, meta.higher_is_better, "", details=True)
            neither = f"{group.reference} with {meta.baseline}"
            parts.append({"anchor": anchor, "title": heading, "neither": neither, "metric": meta.metric, "view": view})
    if not parts:
        return {}
    crumbs = (("index.html", "Overview"), ("", "Combinations"))
    page = Page(PATH, f"Choosing with training · {TITLE}", "Choosing with training", crumbs)
    return {PATH: render("combinations", page, parts=parts)}
