"""The matrix as a drawing: it carries its own colours, to look the same in a file, in a README and on paper."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from labelbench_plus.leaderboard.charts.svg import root, safe, short, tag

GROUND, INK, QUIET, RULE = "#ffffff", "#1a1f26", "#59636f", "#d5dbe1"
PLUS, MINUS = (43, 115, 184), (214, 80, 58)
STRONGEST = 0.57  # of the full colour, so that dark text on it can be read
FONT = "system-ui, -apple-system, Segoe UI, Roboto, Helvetica Neue, Arial, sans-serif"
NAMES, CELL, LINE, HEAD, SIZE = 190, 46, 17, 160, 11
LONGEST_NAME, LONGEST_HEAD = 32, 28


@dataclass(frozen=True)
class Drawn:
    """A cell: its `text`, its `strength` from -1 to 1, and whether it stands out."""

    text: str
    strength: float
    bold: bool


def matrix_picture(
    heads: Sequence[Sequence[str]], rows: Sequence[tuple[str, Sequence[Drawn | None]]], alternative: str
) -> str:
    """The drawing.

    Parameters
    ----------
    heads: the lines above each column. rows: a name and its cells; one without cells is a heading.
    alternative: what it shows, in words.
    """
    width, y = NAMES + CELL * len(heads), HEAD + 8.0
    parts = [tag("rect", {"width": str(width), "height": str(HEAD + 16 + LINE * len(rows)), "fill": GROUND})]
    for j, lines in enumerate(heads):
        x = NAMES + CELL * (j + 0.5) - 6 * (len(lines) - 1)
        for line in lines:
            place = f"translate({x:.0f} {HEAD}) rotate(-90)"
            parts.append(_text(short(line, LONGEST_HEAD), place, "start", INK if line == lines[0] else QUIET))
            x += 13
    for name, cells in rows:
        if cells:
            parts.append(_text(short(name, LONGEST_NAME), f"translate(2 {y + 12:.0f})", "start", INK))
        else:
            parts.append(_text(name, f"translate(2 {y + 12:.0f})", "start", QUIET, bold=True))
        for j, cell in enumerate(cells):
            if cell is None:
                continue
            x = NAMES + CELL * j
            box = {"x": str(x), "y": f"{y:.0f}", "width": str(CELL - 1), "height": str(LINE - 1)}
            parts.append(tag("rect", {**box, "fill": _colour(cell.strength)}))
            parts.append(_text(cell.text, f"translate({x + CELL // 2} {y + 12:.0f})", "middle", INK, bold=cell.bold))
        y += LINE
    drawing = root(alternative, width, y + 8, parts)
    return drawing.replace("<svg ", f'<svg font-family="{FONT}" font-size="{SIZE}" ', 1)


def _text(content: str, place: str, anchor: str, fill: str, *, bold: bool = False) -> str:
    weight = {"font-weight": "700"} if bold else {}
    return tag("text", {"transform": place, "text-anchor": anchor, "fill": fill, **weight}, safe(content))


def _colour(strength: float) -> str:
    share = STRONGEST * min(1.0, abs(strength))
    full = PLUS if math.copysign(1, strength) > 0 else MINUS
    return "#" + "".join(f"{round(255 + share * (part - 255)):02x}" for part in full)
