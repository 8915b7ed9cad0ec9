"""Estimates below each other, each with its interval and the seeds behind it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from labelbench_plus.leaderboard.charts.style import Style, marks, series
from labelbench_plus.leaderboard.charts.svg import (
    NARROW,
    Axis,
    decimals_of_step,
    nice_ticks,
    root,
    safe,
    short,
    tag,
    text,
)
from labelbench_plus.leaderboard.formatting import decimals_for, estimate, number
from labelbench_plus.leaderboard.statistics import FEW_SEEDS, Estimate

STEP, TOP, BOTTOM = 24, 10, 44


@dataclass(frozen=True)
class Row:
    """One estimate: `label` names it, `seeds` are the values it is the mean of, `filled` marks it as significant."""

    label: str
    estimate: Estimate
    seeds: tuple[float, ...]
    filled: bool
    style: Style


def forest_chart(rows: Sequence[Row], title: str, alternative: str, width: int) -> str:
    """Rows below each other on one axis with zero; an interval is drawn from `FEW_SEEDS` values on."""
    height = TOP + STEP * len(rows) + BOTTOM
    base = height - BOTTOM
    most = 30 if width > NARROW else 16
    left = 14 + 7.2 * max(len(short(row.label, most)) for row in rows)
    bounds = [0.0, *(bound for row in rows for bound in _extent(row))]
    ticks = nice_ticks(min(bounds), max(bounds), most=4 if width <= NARROW else 6)
    x = Axis(min(*ticks, *bounds), max(*ticks, *bounds), left + 8, width - 20)
    decimals, tick_decimals = decimals_for(row.estimate for row in rows), decimals_of_step(ticks)
    parts = []
    for tick in ticks:
        zero = abs(tick) < 1e-12
        parts.append(tag("path", {"class": "zero" if zero else "grid", "d": f"M{x(tick):.1f} {TOP}V{base}"}))
        label = number(tick, tick_decimals, signed=not zero)
        parts.append(text(label, x(tick), base + 16, "tick", "middle"))
    parts.append(text(title, x.middle, height - 8, "axis-title", "middle"))
    for i, row in enumerate(rows):
        y, e = TOP + STEP * (i + 0.5), row.estimate
        tip = f"{row.label}: {estimate(e, decimals, signed=True)} (n = {e.n})"
        drawing = [tag("title", {}, safe(tip)), text(short(row.label, most), left, y + 4, "name", "end")]
        dots = "".join(
            f"M{x(value) - 1.7:.1f} {y:.1f}a1.7 1.7 0 1 0 3.4 0a1.7 1.7 0 1 0 -3.4 0Z" for value in row.seeds
        )
        drawing.append(tag("path", {"class": f"seed {row.style.colour}", "d": dots}))
        if e.n >= FEW_SEEDS and math.isfinite(e.half_width):
            low, high = x(e.low), x(e.high)
            whiskers = f"M{low:.1f} {y:.1f}H{high:.1f}M{low:.1f} {y - 4:.1f}v8M{high:.1f} {y - 4:.1f}v8"
            drawing.append(tag("path", {"class": f"interval {row.style.colour}", "d": whiskers}))
        drawing.append(marks(row.style, [(x(e.mean), y)], "mark" if row.filled else "mark open"))
        parts.append(series(row.style, *drawing))
    return root(alternative, width, height, parts)


def _extent(row: Row) -> list[float]:
    # What is not drawn must not squeeze what is: intervals of few seeds are huge and have no whiskers.
    e = row.estimate
    bounds = [e.mean, e.low, e.high] if e.n >= FEW_SEEDS else [e.mean]
    return [bound for bound in (*bounds, *row.seeds) if math.isfinite(bound)]
