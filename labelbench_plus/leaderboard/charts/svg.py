"""The pieces that charts are made of: escaped tags and texts, axes, round ticks."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import escape

from labelbench_plus.shown import printable

NARROW, WIDE = 360, 580


@dataclass(frozen=True)
class Axis:
    """Maps values from `low` … `high` to places from `start` … `end`, in pixels."""

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
        """The place half way."""
        return (self.start + self.end) / 2


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


def log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten within low … high; where these are fewer than three, 1, 2 and 5 times them; else round numbers."""
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1,), (1, 2, 5)):
        ticks = [f * 10.0**e for e in exponents for f in factors if low * 0.999 <= f * 10.0**e <= high * 1.001]
        if len(ticks) >= 3:
            return ticks
    return ticks if len(ticks) > 1 else nice_ticks(low, high, most=4)


def decimals_of_step(ticks: Sequence[float]) -> int:
    """Decimals that tell neighbouring ticks apart."""
    step = ticks[1] - ticks[0] if len(ticks) > 1 else max(abs(ticks[0]), 1e-3)
    return max(0, -math.floor(math.log10(step) + 1e-9))


def is_geometric(budgets: Sequence[float]) -> bool:
    """Whether budgets grow by factors rather than by steps, so that a log axis spreads them evenly."""
    if len(budgets) < 3 or budgets[0] <= 0:
        return False
    steps, factors = np.diff(budgets), np.diff(np.log(budgets))
    return bool(factors.std() / factors.mean() < steps.std() / steps.mean())


def root(alternative: str, width: int, height: float, parts: Sequence[str], screen: int = 0) -> str:
    """The whole drawing; `alternative` says what it shows, `screen` for how wide a screen it is if not `width`."""
    # A label rather than a <title>, which browsers would show as a tooltip all over the chart.
    attributes = {
        "class": "narrow" if (screen or width) <= NARROW else "wide",
        "viewBox": f"0 0 {width} {height:.0f}",
        "width": str(width),
        "height": f"{height:.0f}",
        "role": "img",
        "aria-label": printable(alternative),
    }
    return tag("svg", attributes, *parts)


def standalone(drawing: str, css: str) -> str:
    """A drawing as a file of its own, for papers: with name space and its own (light) style."""
    style = re.sub(r"\s*\n\s*", " ", css).strip()
    opened = drawing.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    head, _, rest = opened.partition(">")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{head}><style>{style}</style>{rest}\n'


def path(points: Sequence[tuple[float, float]]) -> str:
    """Straight lines through points; a NaN interrupts them."""
    pieces, pen = [], "M"
    for px, py in points:
        if math.isnan(py):
            pen = "M"
        else:
            pieces.append(f"{pen}{px:.1f} {py:.1f}")
            pen = "L"
    return "".join(pieces)


def text(
    content: str, x: float, y: float, kind: str, anchor: str, transform: str = "", line_end: float | None = None
) -> str:
    """Escaped text; a name at a line's end says where that is, so that the site's script can move it."""
    place = {"transform": transform} if transform else {"x": f"{x:.1f}", "y": f"{y:.1f}"}
    end = {} if line_end is None else {"data-end": f"{line_end:.1f}"}
    return tag("text", {"class": kind, "text-anchor": anchor, **place, **end}, safe(content))


def tag(name: str, attributes: Mapping[str, str], *children: str) -> str:
    """An element; empty attributes are left out, children are taken as they are."""
    written = "".join(f' {key}="{escape(value)}"' for key, value in attributes.items() if value)
    return f"<{name}{written}>{''.join(children)}</{name}>"


def safe(content: str) -> str:
    """Text that can stand between tags."""
    return str(escape(printable(content)))


def short(name: str, most: int = 30) -> str:
    """A name cut to what a chart has room for."""
    name = printable(name)
    return name if len(name) <= most else name[: most - 1] + "…"
