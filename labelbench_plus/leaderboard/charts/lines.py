"""Lines with bands: learning curves, gains, savings, performance profiles."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from labelbench_plus.leaderboard.charts.style import Style, marks, series
from labelbench_plus.leaderboard.charts.svg import (
    NARROW,
    Axis,
    decimals_of_step,
    nice_ticks,
    path,
    root,
    safe,
    short,
    tag,
    text,
)
from labelbench_plus.leaderboard.formatting import number, percent

MANY_POINTS = 30  # more markers than this on a line hide its dashes
GAP = 15.0  # between names at line ends; the site's script keeps it too
OVERHANG = 0.5  # bands may widen the chart by this share of what the lines need; beyond they run off it


@dataclass(frozen=True)
class Line:
    """One strategy: (x, value, low, high) each; a NaN value interrupts the line, NaN bounds the band."""

    strategy: str
    points: tuple[tuple[float, float, float, float], ...]


@dataclass(frozen=True)
class Plane:
    """The axes: titles, where the x axis has ticks and how they read, how values are written."""

    x_title: str
    y_title: str
    x_ticks: tuple[tuple[float, str], ...]
    logarithmic: bool = False
    signed: bool = False
    percent: bool = False


def line_chart(
    lines: Sequence[Line],
    plane: Plane,
    drawn: Mapping[str, Style],
    prominent: Collection[str],
    alternative: str,
    width: int,
) -> str:
    """One line a strategy, the best first; those that are not `prominent` are pale, without band and name.

    At `NARROW` width there is no room for names at the line ends: the page puts a legend below.
    """
    named = width > NARROW
    right = 20 + 6.6 * max(len(short(line.strategy)) for line in lines) if named else 18.0
    height = 380 if named else 290
    base = height - 44
    low, high = _extent(lines, plane.signed)
    ticks = nice_ticks(low, high)
    labels = _labels(ticks, plane)
    left = 30 + 6.6 * max(map(len, labels))
    places = [x for x, _ in plane.x_ticks] + [point[0] for line in lines for point in line.points]
    x = Axis(min(places), max(places), left, width - right, plane.logarithmic)
    y = Axis(min(*ticks, low), max(*ticks, high), base, 12)

    parts = []
    for tick, label in zip(ticks, labels, strict=True):
        kind = "zero" if plane.signed and abs(tick) < 1e-12 else "grid"
        parts.append(tag("path", {"class": kind, "d": f"M{left:.1f} {y(tick):.1f}H{width - right:.1f}"}))
        parts.append(text(label, left - 6, y(tick) + 4, "tick", "end"))
    parts.append(_x_axis(x, plane.x_ticks, base))
    suffix = " (log scale)" if plane.logarithmic else ""
    parts.append(text(plane.x_title + suffix, x.middle, height - 8, "axis-title", "middle"))
    parts.append(text(plane.y_title, 0, 0, "axis-title", "middle", f"translate(12 {y.middle:.1f}) rotate(-90)"))
    names = _names(lines, drawn, prominent, y, width - right, base) if named else {}
    # Pale lines lie below; of the others the best is drawn last, on top.
    worst_first = list(reversed(lines))
    for line in sorted(worst_first, key=lambda line: line.strategy in prominent):
        parts.append(_drawn(line, drawn[line.strategy], line.strategy in prominent, x, y, names.get(line.strategy, "")))
    return root(alternative, width, height, parts)


def _drawn(line: Line, style: Style, prominent: bool, x: Axis, y: Axis, name: str) -> str:
    bottom, top = min(y.start, y.end), max(y.start, y.end)

    def within(value: float) -> float:
        return min(top, max(bottom, y(value)))

    points = [(x(px), y(value)) for px, value, _, _ in line.points]
    banded = [(x(px), within(low), within(high)) for px, _, low, high in line.points if not math.isnan(low)]
    outline = [(px, high) for px, _, high in banded] + [(px, low) for px, low, _ in reversed(banded)]
    band = tag("path", {"class": f"band {style.colour}", "d": path(outline) + "Z"}) if len(banded) > 1 else ""
    stroke = {"class": f"line {style.colour}", "d": path(points), "stroke-dasharray": style.dash}
    dots = marks(style, points) if len(points) <= MANY_POINTS else ""
    title = tag("title", {}, safe(line.strategy))
    kind = "line-of" if prominent else "line-of pale"
    return series(style, title, band, tag("path", stroke), dots, name, kind=kind)


def _extent(lines: Sequence[Line], with_zero: bool) -> tuple[float, float]:
    values = [value for line in lines for _, value, _, _ in line.points if not math.isnan(value)] or [0.0]
    if with_zero:
        values.append(0.0)
    low, high = min(values), max(values)
    room = OVERHANG * (high - low)
    bounds = [end for line in lines for point in line.points for end in point[2:] if math.isfinite(end)]
    return max(min([low, *bounds]), low - room), min(max([high, *bounds]), high + room)


def _labels(ticks: Sequence[float], plane: Plane) -> list[str]:
    if plane.percent:
        return [percent(tick, plane.signed and abs(tick) > 1e-12) for tick in ticks]
    decimals = decimals_of_step(ticks)
    return [number(tick, decimals, signed=plane.signed and abs(tick) > 1e-12) for tick in ticks]


def _x_axis(x: Axis, ticks: Sequence[tuple[float, str]], base: float) -> str:
    # Labels that would touch are left out, the last one never.
    parts, free = [], math.inf
    for value, label in reversed(ticks):
        place = x(value)
        half = 3.6 * len(label)
        long = place + half < free
        parts.append(tag("path", {"class": "axis", "d": f"M{place:.1f} {base}v{5 if long else 3}"}))
        if long:
            parts.append(text(label, place, base + 18, "tick", "middle"))
            free = place - half - 6
    return tag("path", {"class": "axis", "d": f"M{x.start:.1f} {base}H{x.end:.1f}"}) + "".join(parts)


def _names(
    lines: Sequence[Line],
    drawn: Mapping[str, Style],
    prominent: Collection[str],
    y: Axis,
    right: float,
    bottom: float,
) -> dict[str, str]:
    # Names stand as near to their line ends as order and a gap allow, by least squares.
    ends = {line.strategy: y(next((p[1] for p in reversed(line.points) if p[1] == p[1]), 0.0)) for line in lines}
    shown = sorted((end, name) for name, end in ends.items() if name in prominent)
    steps = GAP * np.arange(len(shown))
    free = np.array(_nearest_ascending([end - step for (end, _), step in zip(shown, steps, strict=True)]))
    last = float(steps[-1]) if shown else 0.0
    places = np.clip(free, 12.0, max(12.0, bottom - last)) + steps
    placed = dict(zip([name for _, name in shown], places, strict=True))
    parts = {}
    for name, end in ends.items():
        place = placed.get(name, end)
        leader = {
            "class": f"leader {drawn[name].colour}",
            "d": f"M{right + 4:.1f} {end:.1f}L{right + 11:.1f} {place:.1f}",
        }
        label = text(short(name), right + 14, place + 4, "name", "start", line_end=end)
        parts[name] = tag("path", leader) + label
    return parts


def _nearest_ascending(values: Sequence[float]) -> list[float]:
    """The ascending sequence nearest to `values` in squares: neighbours out of order share their mean.

    An isotonic regression of a handful of numbers; scipy's would be the only thing of `scipy.optimize` that a page
    needs, and that takes longer to load than the page to draw.
    """
    blocks: list[tuple[float, int]] = []  # sums and lengths
    for value in values:
        total, count = float(value), 1
        while blocks and blocks[-1][0] * count >= total * blocks[-1][1]:
            before, length = blocks.pop()
            total, count = total + before, count + length
        blocks.append((total, count))
    return [total / count for total, count in blocks for _ in range(count)]
