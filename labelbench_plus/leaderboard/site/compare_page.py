"""The page that compares any two strategies: every pair of every setting, for the site's script to choose from."""

from __future__ import annotations

import json
import math
from itertools import combinations

from markupsafe import Markup

from labelbench_plus.leaderboard.compare import compare_in, compare_over
from labelbench_plus.leaderboard.setting import BoardSetting
from labelbench_plus.leaderboard.site.pages import TITLE, Site
from labelbench_plus.leaderboard.site.render import Page, render
from labelbench_plus.shown import printable


def compare_page(site: Site) -> bytes:
    """compare.html: every pair of every setting, for the script to choose from."""
    settings = [
        {
            "label": printable(member.label),
            "href": member.href,
            "names": list(map(printable, member.setting.tests.names)),
            "pairs": [_pair(member.setting, a, b) for a, b in combinations(member.setting.tests.names, 2)],
        }
        for member in site.members
    ]
    tracks = []
    for track in site.tracks:
        if len(track.datasets) > 1:
            each = [setting for _, setting in track.members]
            pairs = []
            for a, b in combinations(track.order, 2):
                over = compare_over(each, a, b)
                pairs.append([*_rounded(over[0].mean, over[0].low, over[0].high), over[1]] if over else None)
            unit = "" if track.measure == track.track.metric else f" (in {track.measure})"
            name, names = printable(f"{track.track.name}{unit}"), list(map(printable, track.order))
            tracks.append({"name": name, "names": names, "pairs": pairs})
    labels = {printable(label): printable(name) for name, label in site.names.exact.items()}
    text = json.dumps({"settings": settings, "tracks": tracks, "labels": labels}, separators=(",", ":"), sort_keys=True)
    # Inside a script element only "<" could end it; as \u003c it is the same JSON.
    data = Markup(text.replace("<", "\\u003c").replace("&", "\\u0026"))
    page = Page("compare.html", f"Compare A and B · {TITLE}", "Compare A and B")
    return render("compare", page, members=site.members, data=data)


def _pair(setting: BoardSetting, a: str, b: str) -> list[float | int | None] | None:
    found = compare_in(setting, a, b)
    if found is None:
        return None
    area, final = found.area, found.final
    return [
        *_rounded(area.mean, area.low, area.high),
        area.n,
        *_rounded(found.p, found.adjusted, found.wins.mean, final.mean, final.low, final.high),
    ]


def _rounded(*values: float) -> list[float | None]:
    return [float(f"{value:.5g}") if math.isfinite(value) else None for value in values]
