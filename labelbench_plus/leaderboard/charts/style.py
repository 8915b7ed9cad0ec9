"""How a strategy is drawn: colour, dash pattern and marker, none of which is needed to tell it apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labelbench_plus.leaderboard.charts.svg import tag

COLOURS = 6
UNTOGGLED = -1  # the index of what the page's script leaves alone
DASHES = ("", "7 3", "2 2.5", "9 3 2 3")
MARKERS = (  # where the outline starts, seen from the centre, and its way around: disc, square, triangles, diamond
    (-3.0, 0.0, "a3 3 0 1 0 6 0a3 3 0 1 0 -6 0Z"),
    (-2.8, -2.8, "h5.6v5.6h-5.6Z"),
    (0.0, -3.8, "l3.6 6.4h-7.2Z"),
    (0.0, -4.0, "l4 4l-4 4l-4 -4Z"),
    (0.0, 3.8, "l3.6 -6.4h-7.2Z"),
)


@dataclass(frozen=True)
class Style:
    """How one strategy is drawn everywhere on a page; `index` names it for the page's script."""

    index: int
    colour: str
    dash: str
    marker: tuple[float, float, str]


def styles(strategies: Sequence[str], baseline: str) -> dict[str, Style]:
    """A style for each strategy: neutral and dashed for the baseline, distinct ones for the others.

    The first in the list have the colours to themselves, so list those first that are looked at most.
    """
    others = [name for name in dict.fromkeys(strategies) if name != baseline]
    drawn = {
        name: Style(i, f"c{i % COLOURS}", DASHES[(i + i // COLOURS) % len(DASHES)], MARKERS[i % len(MARKERS)])
        for i, name in enumerate(others)
    }
    if baseline in strategies:
        drawn[baseline] = Style(len(others), "baseline", "4 3", MARKERS[0])
    return drawn


def style_of_given(number: int) -> Style:
    """How the `number`-th of what is given beside strategies is drawn: in the colour of text."""
    return Style(UNTOGGLED, "given", DASHES[2 - number % 2], MARKERS[(3 + number) % len(MARKERS)])


def swatch(style: Style) -> str:
    """A small sample of a strategy's line and marker, for tables and legends; decorative."""
    box = {"class": "swatch", "viewBox": "0 0 28 12", "width": "28", "height": "12", "aria-hidden": "true"}
    line = {"class": f"line {style.colour}", "d": "M1 6H27", "stroke-dasharray": style.dash}
    return tag("svg", box, tag("path", line), marks(style, [(14, 6)]))


def marks(style: Style, places: Sequence[tuple[float, float]], kind: str = "mark") -> str:
    """The strategy's marker at each place, as one path."""
    dx, dy, around = style.marker
    drawn = "".join(f"M{px + dx:.1f} {py + dy:.1f}{around}" for px, py in places if py == py)
    return tag("path", {"class": f"{kind} {style.colour}", "d": drawn})


def series(style: Style, *children: str, kind: str = "") -> str:
    """All that belongs to a strategy."""
    index = "" if style.index == UNTOGGLED else str(style.index)
    return tag("g", {"data-series": index, "class": kind}, *children)
