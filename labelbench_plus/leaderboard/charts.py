"""Learning curves and gains as SVG text: no scripts, no inline styles, the same bytes for the same input.

Colours come from classes (`c0` … `c5`, `baseline`) that the page's style sheet defines for light and dark; a
strategy is told apart by colour, dash pattern and marker together, so that no one of them is needed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import escape
from scipy.optimize import isotonic_regression

from labelbench_plus.leaderboard.board import FEW_SEEDS, Curve, Setting
from labelbench_plus.leaderboard.formatting import amount, decimals_for, estimate, number, printable
from labelbench_plus.leaderboard.statistics import ALPHA, Estimate

COLOURS = 6
DASHES = ("", "7 3", "2 2.5", "9 3 2 3")
MARKERS = (  # where the outline starts, seen from the centre, and its way around: disc, square, triangles, diamond
    (-3.0, 0.0, "a3 3 0 1 0 6 0a3 3 0 1 0 -6 0Z"),
    (-2.8, -2.8, "h5.6v5.6h-5.6Z"),
    (0.0, -3.8, "l3.6 6.4h-7.2Z"),
    (0.0, -4.0, "l4 4l-4 4l-4 -4Z"),
    (0.0, 3.8, "l3.6 -6.4h-7.2Z"),
)
NARROW = 360
MANY_ROUNDS = 30  # more markers than this on a line hide its dashes


@dataclass(frozen=True)
class Style:
    """How one strategy is drawn everywhere on a page; `index` names it for the page's script."""

    index: int
    colour: str
    dash: str
    marker: tuple[float, float, str]


def styles(strategies: Sequence[str], baseline: str) -> dict[str, Style]:
    """A style for each strategy: neutral and dashed for the baseline, distinct ones for the others."""
    others = sorted(set(strategies) - {baseline})
    drawn = {
        name: Style(i, f"c{i % COLOURS}", DASHES[(i + i // COLOURS) % len(DASHES)], MARKERS[i % len(MARKERS)])
        for i, name in enumerate(others)
    }
    if baseline in strategies:
        drawn[baseline] = Style(len(others), "baseline", "4 3", MARKERS[0])
    return drawn


def swatch(style: Style) -> str:
    """A small sample of a strategy's line and marker, for tables and legends; decorative."""
    box = {"class": "swatch", "viewBox": "0 0 28 12", "width": "28", "height": "12", "aria-hidden": "true"}
    line = {"class": f"line {style.colour}", "d": "M1 6H27", "stroke-dasharray": style.dash}
    return _tag("svg", box, _tag("path", line), _marks(style, [(14, 6)]))


def curves_chart(
    curves: Sequence[Curve],
    setting: Setting,
    measure: str,
    drawn: Mapping[str, Style],
    width: int,
    gains: bool,
) -> str:
    """Estimates against budget, one line a strategy, with t-intervals as bands where n ≥ `FEW_SEEDS`.

    `measure`: title of the vertical axis. `gains`: the values are differences: signs are written and zero is
    drawn. At `NARROW` width there is no room for names at the line ends: the page puts a legend below.
    """
    named = width > NARROW
    right = (
        20 + 6.6 * max(len(_short(curve.strategy)) for curve in curves)
        if named
        else 6 + 3.6 * len(amount(setting.budgets[-1]))
    )
    height = max(340 if named else 280, 16 * len(curves) + 70)
    base = height - 44
    bounds = [b for curve in curves for point in curve.points for b in _extent(point)] + [0.0] * gains
    ticks = nice_ticks(min(bounds), max(bounds))
    tick_decimals = _decimals_of_step(ticks)
    labels = [number(tick, tick_decimals, signed=gains and abs(tick) > 1e-12) for tick in ticks]
    left = 30 + 6.6 * max(map(len, labels))
    logarithmic = is_geometric(setting.budgets)
    x = _Axis(setting.budgets[0], setting.budgets[-1], left, width - right, logarithmic)
    y = _Axis(min(*ticks, *bounds), max(*ticks, *bounds), base, 12)

    parts = []
    for tick, label in zip(ticks, labels, strict=True):
        kind = "zero" if gains and abs(tick) < 1e-12 else "grid"
        parts.append(_tag("path", {"class": kind, "d": f"M{left:.1f} {y(tick):.1f}H{width - right:.1f}"}))
        parts.append(_text(label, left - 6, y(tick) + 4, "tick", "end"))
    unit = "labels bought" if setting.unit == "labels" else "budget spent"
    parts.append(_x_axis(x, setting.budgets, base))
    parts.append(_text(unit + (" (log scale)" if logarithmic else ""), x.middle, height - 8, "axis-title", "middle"))
    parts.append(_text(measure, 0, 0, "axis-title", "middle", f"translate(12 {y.middle:.1f}) rotate(-90)"))
    bands, lines = [], []
    for curve in reversed(curves):  # the best is drawn last, on top
        style, places = drawn[curve.strategy], [x(budget) for budget in setting.budgets]
        points = [(px, y(point.mean)) for px, point in zip(places, curve.points, strict=True)]
        if curve.points[0].n >= FEW_SEEDS:
            upper = [(px, y(point.high)) for px, point in zip(places, curve.points, strict=True)]
            lower = [(px, y(point.low)) for px, point in zip(places, curve.points, strict=True)]
            shape = {
                "class": f"band {style.colour}",
                "d": _path([*upper, *reversed(lower)]) + "Z",
                "fill-opacity": f"{min(0.16, max(0.06, 0.7 / len(curves))):.2f}",  # many bands must not make mud
            }
            bands.append(_series(style, _tag("path", shape)))
        line = {"class": f"line {style.colour}", "d": _path(points), "stroke-dasharray": style.dash}
        marks = _marks(style, points) if len(points) <= MANY_ROUNDS else ""
        lines.append(_series(style, _tag("title", {}, _safe(curve.strategy)), _tag("path", line), marks))
    parts += bands + lines
    if named:
        parts += _line_ends(curves, drawn, y, width - right, base)
    alternative = (
        f"{measure} against {unit}, {setting.name}: {len(curves)} strategies, {len(setting.budgets)} budgets. "
        "The table below the chart holds every number."
    )
    return _svg(alternative, width, height, parts)


def gains_chart(setting: Setting, baseline: str, drawn: Mapping[str, Style], width: int) -> str:
    """Each strategy's paired gain in AUBC over the baseline with its t-interval, on one line each.

    Filled marks are gains that stay significant after Holm's adjustment over all pairs of the setting.
    """
    step, top, bottom = 26, 10, 44
    height = top + step * len(setting.gains) + bottom
    base = height - bottom
    left = 14 + 6.6 * max(len(_short(strategy)) for strategy, _ in setting.gains)
    bounds = [0.0, *(b for _, gain in setting.gains for b in _extent(gain))]
    ticks = nice_ticks(min(bounds), max(bounds), most=4 if width <= NARROW else 6)
    x = _Axis(min(*ticks, *bounds), max(*ticks, *bounds), left + 8, width - 20)
    decimals, tick_decimals = decimals_for(gain for _, gain in setting.gains), _decimals_of_step(ticks)
    parts = []
    for tick in ticks:
        zero = abs(tick) < 1e-12
        parts.append(_tag("path", {"class": "zero" if zero else "grid", "d": f"M{x(tick):.1f} {top}V{base}"}))
        label = number(tick, tick_decimals, signed=not zero)
        parts.append(_text(label, x(tick), base + 16, "tick", "middle"))
    parts.append(_text(f"gain over {_short(baseline)} (AUBC)", x.middle, height - 8, "axis-title", "middle"))
    against = setting.tests.names.index(baseline)
    for i, (strategy, gain) in enumerate(setting.gains):
        style, row = drawn[strategy], top + step * (i + 0.5)
        tip = f"{strategy}: {estimate(gain, decimals, signed=True)} (n = {gain.n})"
        drawing = [_tag("title", {}, _safe(tip)), _text(_short(strategy), left, row + 4, "name", "end")]
        if gain.n >= FEW_SEEDS:
            low, high = x(gain.low), x(gain.high)
            whiskers = f"M{low:.1f} {row:.1f}H{high:.1f}M{low:.1f} {row - 4:.1f}v8M{high:.1f} {row - 4:.1f}v8"
            drawing.append(_tag("path", {"class": f"interval {style.colour}", "d": whiskers}))
        significant = setting.tests.adjusted[setting.tests.names.index(strategy), against] <= ALPHA
        kind = "mark" if significant else "mark open"
        drawing.append(_marks(style, [(x(gain.mean), row)], kind))
        parts.append(_series(style, *drawing))
    alternative = (
        f"Gain over {baseline} in AUBC, {setting.name}: {len(setting.gains)} strategies with 95 % intervals. "
        "The table below the chart holds every number."
    )
    return _svg(alternative, width, height, parts)


def nice_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers within low … high, 1, 2 or 5 times a power of ten apart, at most `most` + 1 of them."""
    if high - low < 1e-12:
        pad = max(abs(low) * 0.05, 1e-3)
        low, high = low - pad, high + pad
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]


def is_geometric(budgets: Sequence[float]) -> bool:
    """Whether budgets grow by factors rather than by steps, so that a log axis spreads them evenly."""
    if len(budgets) < 3 or budgets[0] <= 0:
        return False
    steps, factors = np.diff(budgets), np.diff(np.log(budgets))
    return bool(factors.std() / factors.mean() < steps.std() / steps.mean())


@dataclass(frozen=True)
class _Axis:
    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        low, high = self.low, self.high
        if self.logarithmic:
            low, high, value = math.log(low), math.log(high), math.log(value)
        share = (value - low) / (high - low) if high > low else 0.5
        return self.start + share * (self.end - self.start)

    @property
    def middle(self) -> float:
        return (self.start + self.end) / 2


def _extent(point: Estimate) -> tuple[float, ...]:
    # What is not drawn must not squeeze what is: intervals of few seeds are huge and have no band.
    return (point.mean, point.low, point.high) if point.n >= FEW_SEEDS else (point.mean,)


def _x_axis(x: _Axis, budgets: Sequence[float], base: float) -> str:
    # Ticks stand at budgets that were measured; labels that would touch are left out, the last one never.
    parts, free = [], math.inf
    for budget in reversed(budgets):
        place, label = x(budget), amount(budget)
        half = 3.6 * len(label)
        long = place + half < free
        parts.append(_tag("path", {"class": "axis", "d": f"M{place:.1f} {base}v{5 if long else 3}"}))
        if long:
            parts.append(_text(label, place, base + 18, "tick", "middle"))
            free = place - half - 6
    return _tag("path", {"class": "axis", "d": f"M{x.start:.1f} {base}H{x.end:.1f}"}) + "".join(parts)


def _line_ends(curves: Sequence[Curve], drawn: Mapping[str, Style], y: _Axis, right: float, bottom: float) -> list[str]:
    # Names stand as near to their line ends as order and a gap allow (least squares: an isotonic regression).
    gap = 15.0
    ends = sorted((y(curve.points[-1].mean), i) for i, curve in enumerate(curves))
    steps = gap * np.arange(len(ends))
    free = isotonic_regression([end for end, _ in ends] - steps).x
    places = np.clip(free, 12.0, max(12.0, bottom - steps[-1])) + steps
    parts = []
    for (end, i), place in zip(ends, places, strict=True):
        name, style = curves[i].strategy, drawn[curves[i].strategy]
        leader = {
            "class": f"leader {style.colour}",
            "d": f"M{right + 4:.1f} {end:.1f}L{right + 11:.1f} {place:.1f}",
        }
        parts.append(_series(style, _tag("path", leader), _text(_short(name), right + 14, place + 4, "name", "start")))
    return parts


def _decimals_of_step(ticks: Sequence[float]) -> int:
    step = ticks[1] - ticks[0] if len(ticks) > 1 else max(abs(ticks[0]), 1e-3)
    return max(0, -math.floor(math.log10(step) + 1e-9))


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{px:.1f} {py:.1f}" for px, py in points)


def _short(name: str, most: int = 26) -> str:
    name = printable(name)
    return name if len(name) <= most else name[: most - 1] + "…"


def _svg(alternative: str, width: int, height: float, parts: Sequence[str]) -> str:
    # A label rather than a <title>, which browsers would show as a tooltip all over the chart.
    attributes = {
        "class": "narrow" if width <= NARROW else "wide",
        "viewBox": f"0 0 {width} {height:.0f}",
        "width": str(width),
        "height": f"{height:.0f}",
        "role": "img",
        "aria-label": printable(alternative),
    }
    return _tag("svg", attributes, *parts)


def _marks(style: Style, places: Sequence[tuple[float, float]], kind: str = "mark") -> str:
    dx, dy, around = style.marker
    drawn = "".join(f"M{px + dx:.1f} {py + dy:.1f}{around}" for px, py in places)
    return _tag("path", {"class": f"{kind} {style.colour}", "d": drawn})


def _series(style: Style, *children: str) -> str:
    return _tag("g", {"data-series": str(style.index)}, *children)


def _text(content: str, x: float, y: float, kind: str, anchor: str, transform: str = "") -> str:
    place = {"transform": transform} if transform else {"x": f"{x:.1f}", "y": f"{y:.1f}"}
    return _tag("text", {"class": kind, "text-anchor": anchor, **place}, _safe(content))


def _tag(name: str, attributes: Mapping[str, str], *children: str) -> str:
    written = "".join(f' {key}="{escape(value)}"' for key, value in attributes.items() if value)
    return f"<{name}{written}>{''.join(children)}</{name}>"


def _safe(content: str) -> str:
    return str(escape(printable(content)))
