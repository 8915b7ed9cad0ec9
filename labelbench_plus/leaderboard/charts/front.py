"""A series in its plane: one line each for what is compared and what is given, with its points marked."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from labelbench_plus.leaderboard.charts.style import Style, marks, series
from labelbench_plus.leaderboard.charts.svg import (
    NARROW,
    Axis,
    decimals_of_step,
    nice_ticks,
    path,
    root,
    safe,
    tag,
    text,
)
from labelbench_plus.leaderboard.formatting import number

OVERHANG = 0.5  # intervals may widen the chart by this share of what the points need; beyond they run off it


@dataclass(frozen=True)
class Spot:
    """A point: `at` names it; its place is NaN where there is none, its intervals where they cannot be had."""

    at: str
    x: float
    y: float
    x_interval: tuple[float, float]
    y_interval: tuple[float, float]


@dataclass(frozen=True)
class FrontPlane:
    """The axes: what they show, and whether points that follow each other are joined."""

    x_title: str
    y_title: str
    joined: bool


def front_chart(
    lines: Mapping[str, Sequence[Spot]],
    plane: FrontPlane,
    drawn: Mapping[str, Style],
    prominent: Collection[str],
    alternative: str,
    width: int,
) -> str:
    """Lines through what spots there are, whiskers where there are intervals; what is not `prominent` is pale."""
    height = 380 if width > NARROW else 300
    base, top, right = height - 44, 16, 18.0
    everything = [spot for spots in lines.values() for spot in spots if not math.isnan(spot.y)]
    x_low, x_high = _extent([(spot.x, *spot.x_interval) for spot in everything])
    y_low, y_high = _extent([(spot.y, *spot.y_interval) for spot in everything])
    x_ticks, y_ticks = nice_ticks(x_low, x_high, most=4 if width <= NARROW else 6), nice_ticks(y_low, y_high)
    labels = [number(tick, decimals_of_step(y_ticks)) for tick in y_ticks]
    left = 30 + 6.6 * max(map(len, labels))
    x = Axis(min(x_low, *x_ticks), max(x_high, *x_ticks), left + 6, width - right)
    y = Axis(min(y_low, *y_ticks), max(y_high, *y_ticks), base - 6, top)
    parts = []
    for tick, label in zip(y_ticks, labels, strict=True):
        parts.append(tag("path", {"class": "grid", "d": f"M{left:.1f} {y(tick):.1f}H{width - right:.1f}"}))
        parts.append(text(label, left - 6, y(tick) + 4, "tick", "end"))
    for tick in x_ticks:
        parts.append(tag("path", {"class": "axis", "d": f"M{x(tick):.1f} {base}v5"}))
        parts.append(text(number(tick, decimals_of_step(x_ticks)), x(tick), base + 18, "tick", "middle"))
    parts.append(tag("path", {"class": "axis", "d": f"M{left:.1f} {base}H{width - right:.1f}"}))
    parts.append(text(plane.x_title, x.middle, height - 8, "axis-title", "middle"))
    parts.append(text(plane.y_title, 0, 0, "axis-title", "middle", f"translate(12 {y.middle:.1f}) rotate(-90)"))
    for name, spots in sorted(lines.items(), key=lambda line: line[0] in prominent):
        parts.append(_line(name, spots, drawn[name], name in prominent, plane.joined, x, y))
    return root(alternative, width, height, parts)


def _line(name: str, spots: Sequence[Spot], style: Style, prominent: bool, joined: bool, x: Axis, y: Axis) -> str:
    whiskers = ""
    for spot in spots:
        if not (math.isnan(spot.y) or math.isnan(spot.y_interval[0])):
            low, high = (_within(y, bound) for bound in spot.y_interval)
            whiskers += f"M{x(spot.x):.1f} {low:.1f}V{high:.1f}"
        if not (math.isnan(spot.y) or math.isnan(spot.x_interval[0])):
            low, high = (_within(x, bound) for bound in spot.x_interval)
            whiskers += f"M{low:.1f} {y(spot.y):.1f}H{high:.1f}"
    places = _places(spots, x, y)
    listed = ", ".join(spot.at for spot in spots if not math.isnan(spot.y))
    stroke = {"class": f"line {style.colour}", "d": path(places) if joined else "", "stroke-dasharray": style.dash}
    return series(
        style,
        tag("title", {}, safe(f"{name}: {listed}")),
        tag("path", {"class": f"interval {style.colour}", "d": whiskers}),
        tag("path", stroke),
        marks(style, places),
        kind="line-of" if prominent else "line-of pale",
    )


def _places(spots: Sequence[Spot], x: Axis, y: Axis) -> list[tuple[float, float]]:
    # A spot that is not there interrupts the line.
    return [(0.0 if math.isnan(spot.y) else x(spot.x), math.nan if math.isnan(spot.y) else y(spot.y)) for spot in spots]


def _within(axis: Axis, value: float) -> float:
    place, ends = axis(value), sorted((axis.start, axis.end))
    return min(ends[1], max(ends[0], place))


def _extent(values: Sequence[tuple[float, float, float]]) -> tuple[float, float]:
    centres = [centre for centre, _, _ in values] or [0.0]
    low, high = min(centres), max(centres)
    room = OVERHANG * (high - low)
    bounds = [bound for _, *interval in values for bound in interval if math.isfinite(bound)]
    return max(min([low, *bounds]), low - room), min(max([high, *bounds]), high + room)
