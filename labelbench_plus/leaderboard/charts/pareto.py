"""Gain against the cost of selection, with the frontier of what nothing else beats in both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labelbench_plus.leaderboard.charts.style import Style, marks, series
from labelbench_plus.leaderboard.charts.svg import (
    NARROW,
    Axis,
    decimals_of_step,
    log_ticks,
    nice_ticks,
    path,
    root,
    safe,
    tag,
    text,
)
from labelbench_plus.leaderboard.formatting import number, seconds


@dataclass(frozen=True)
class Point:
    """A strategy: `cost` in seconds, above zero, and `gain`."""

    strategy: str
    cost: float
    gain: float


def frontier(points: Sequence[Point]) -> list[Point]:
    """Those that no other is at least as cheap and better than, or cheaper and as good; cheapest first."""
    best: list[Point] = []
    for point in sorted(points, key=lambda p: (p.cost, -p.gain, p.strategy)):
        if not best or point.gain > best[-1].gain:
            best.append(point)
    return best


def pareto_chart(
    points: Sequence[Point], x_title: str, y_title: str, drawn: Mapping[str, Style], alternative: str, width: int
) -> str:
    """One mark a strategy on a logarithmic axis of cost; the frontier is a line, and those on it are numbered."""
    height, right = (380, 26.0) if width > NARROW else (300, 16.0)
    base = height - 44
    gains, costs = [point.gain for point in points], [point.cost for point in points]
    ticks = nice_ticks(min(0.0, *gains), max(0.0, *gains))
    decimals = decimals_of_step(ticks)
    labels = [number(tick, decimals, signed=abs(tick) > 1e-12) for tick in ticks]
    left = 30 + 6.6 * max(map(len, labels))
    low, high = min(costs) / 1.3, max(costs) * 1.3
    x = Axis(low, high, left, width - right, logarithmic=True)
    y = Axis(min(*ticks, *gains), max(*ticks, *gains), base - 6, 18)
    parts = []
    for tick, label in zip(ticks, labels, strict=True):
        kind = "zero" if abs(tick) < 1e-12 else "grid"
        parts.append(tag("path", {"class": kind, "d": f"M{left:.1f} {y(tick):.1f}H{width - right:.1f}"}))
        parts.append(text(label, left - 6, y(tick) + 4, "tick", "end"))
    for tick in log_ticks(low, high):
        parts.append(tag("path", {"class": "axis", "d": f"M{x(tick):.1f} {base}v5"}))
        parts.append(text(seconds(tick), x(tick), base + 18, "tick", "middle"))
    parts.append(tag("path", {"class": "axis", "d": f"M{left:.1f} {base}H{width - right:.1f}"}))
    parts.append(text(x_title, x.middle, height - 8, "axis-title", "middle"))
    parts.append(text(y_title, 0, 0, "axis-title", "middle", f"translate(12 {y.middle:.1f}) rotate(-90)"))
    best = frontier(points)
    parts.append(tag("path", {"class": "frontier", "d": path([(x(p.cost), y(p.gain)) for p in best])}))
    on_it = {point.strategy: i for i, point in enumerate(best, start=1)}
    for point in sorted(points, key=lambda p: p.strategy in on_it):
        style, place = drawn[point.strategy], (x(point.cost), y(point.gain))
        tip = f"{point.strategy}: {number(point.gain, decimals + 1, signed=True)}, {seconds(point.cost)} s"
        shown = [tag("title", {}, safe(tip)), marks(style, [place], "mark" if point.strategy in on_it else "mark open")]
        if point.strategy in on_it:
            shown.append(text(str(on_it[point.strategy]), place[0], place[1] - 7, "name", "middle"))
        parts.append(series(style, *shown))
    return root(alternative, width, height, parts)
