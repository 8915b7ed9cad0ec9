"""The page of results that were published elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from labelbench_plus.leaderboard.reported import Reported
from labelbench_plus.leaderboard.site.names import slugs
from labelbench_plus.leaderboard.site.pages import TITLE
from labelbench_plus.leaderboard.site.render import Page, render
from labelbench_plus.leaderboard.site.tables import table_view

PATH = "reported.html"


def reported_page(reported: Sequence[Reported]) -> dict[str, bytes]:
    """The page and its downloads, by path; nothing if nothing is reported."""
    if not reported:
        return {}
    names = slugs([each.title for each in reported])
    files = {f"data/{names[each.title]}-reported.csv": each.csv for each in reported}
    parts = [
        {
            "title": each.title,
            "about": each.about,
            "anchor": names[each.title],
            "csv": f"data/{names[each.title]}-reported.csv",
            "tables": [
                (heading, table_view(table, f"{names[each.title]}-{number}", heading, True, "", details=True))
                for number, (heading, table) in enumerate(each.tables, start=1)
            ],
        }
        for each in reported
    ]
    crumbs = (("index.html", "Overview"), ("", "Reported"))
    page = Page(PATH, f"Reported, not run here · {TITLE}", "Reported, not run here", crumbs)
    return {**files, PATH: render("reported", page, parts=parts)}
