"""Mean ranks over data sets on one axis, with bars over groups that do not differ significantly."""

from __future__ import annotations

import math

from labelbench_plus.leaderboard.charts.svg import Axis, root, short, tag, text
from labelbench_plus.leaderboard.formatting import number
from labelbench_plus.leaderboard.statistics import RankingOverDatasets

ROW = 18
LEAST = 480  # names on both sides need this much; a narrower screen scales it down


def rank_diagram(ranking: RankingOverDatasets, alternative: str, screen: int) -> str:
    """The critical-difference diagram of Demšar (2006), its bars from Wilcoxon's tests after Holm.

    Better strategies stand on the left with their names below the axis on that side, the others on the right.
    """
    n, width = len(ranking.names), max(screen, LEAST)
    margin = 20 + 6.6 * max(len(short(name, 20)) + 5 for name in ranking.names)
    x = Axis(1, n, margin, width - margin)
    axis, bars = 40, 40 + 14
    below = bars + 9 * len(ranking.groups) + 10
    half = math.ceil(n / 2)
    height = below + ROW * half + 10
    parts = [tag("path", {"class": "axis", "d": f"M{x.start:.1f} {axis}H{x.end:.1f}"})]
    parts.append(text("mean rank (1 is best)", x.middle, 14, "axis-title", "middle"))
    step = max(1, math.ceil(n / 12))
    for tick in range(1, n + 1, step):
        parts.append(tag("path", {"class": "axis", "d": f"M{x(tick):.1f} {axis}v-5"}))
        parts.append(text(str(tick), x(tick), axis - 9, "tick", "middle"))
    for i, (name, mean) in enumerate(zip(ranking.names, ranking.mean_ranks, strict=True)):
        left = i < half
        y = below + ROW * (i if left else n - 1 - i)
        end, anchor = (x.start - 8, "end") if left else (x.end + 8, "start")
        parts.append(tag("path", {"class": "leader", "d": f"M{x(mean):.1f} {axis}V{y:.1f}H{end:.1f}"}))
        label = f"{short(name, 20)} {number(mean, 1)}"
        parts.append(text(label, end + (-4 if left else 4), y + 4, "name", anchor))
    for i, (first, last) in enumerate(ranking.groups):
        y = bars + 9 * i
        ends = x(ranking.mean_ranks[first]) - 4, x(ranking.mean_ranks[last]) + 4
        parts.append(tag("path", {"class": "group", "d": f"M{ends[0]:.1f} {y}H{ends[1]:.1f}"}))
    return root(alternative, width, height, parts, screen)
