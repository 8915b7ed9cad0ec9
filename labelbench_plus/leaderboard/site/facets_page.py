"""The page of comparisons along one facet: encoders, base models, sets of views, all else being equal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from labelbench_plus.leaderboard.charts.forest import Row, forest_chart
from labelbench_plus.leaderboard.charts.lines import Line, Plane, line_chart
from labelbench_plus.leaderboard.charts.style import Style, styles, swatch
from labelbench_plus.leaderboard.charts.svg import NARROW, WIDE, is_geometric, short
from labelbench_plus.leaderboard.facets import FacetComparison
from labelbench_plus.leaderboard.formatting import amount
from labelbench_plus.leaderboard.site.figures import Figure
from labelbench_plus.leaderboard.site.pages import TITLE, Site
from labelbench_plus.leaderboard.site.render import Page, render
from labelbench_plus.leaderboard.site.tables import table_view
from labelbench_plus.leaderboard.statistics import ALPHA, Estimate
from labelbench_plus.leaderboard.warnings import FEW_SEEDS

PATH = "facets.html"
MOST_ROWS = 40  # of a chart


def facets_page(site: Site) -> tuple[dict[str, bytes], list[Figure]]:
    """The page by its path, and its figures; nothing where no settings differ in one facet alone."""
    parts: list[dict[str, Any]] = []
    for i, one in enumerate(site.facets, start=1):
        anchor = site.facet_anchor(one)
        drawn = styles(one.values[1:], "")
        table = table_view(one.table(), f"{anchor}-table", f"Gains, {one.title}", True, "", details=True)
        budgets = table_view(
            one.budgets_table(), f"{anchor}-budgets", f"{one.title}, each budget", True, "", details=True
        )
        parts.append(
            {
                "anchor": anchor,
                "title": one.title,
                "conditions": one.conditions,
                "findings": one.findings(),
                "figures": [*([_curves(one, drawn, i)] if len(one.budgets) > 1 else []), _gains(one, drawn, i)],
                "legend": [(Markup(swatch(style)), name) for name, style in drawn.items()],
                "view": table,
                "budgets": budgets if len(one.budgets) > 1 else None,
                "members": [
                    (one.named(value), site.member_of(setting).href)
                    for value, settings in one.settings.items()
                    for setting in settings
                ],
            }
        )
    if not parts:
        return {}, []
    crumbs = (("index.html", "Overview"), ("", "One facet"))
    page = Page(PATH, f"Compared along one facet · {TITLE}", "Compared along one facet", crumbs)
    return {PATH: render("facets", page, parts=parts)}, [each for part in parts for each in part["figures"]]


def _curves(one: FacetComparison, drawn: Mapping[str, Style], number: int) -> Figure:
    strategy = one.drawn_strategy
    lines = [
        Line(
            gain.value,
            tuple((budget, e.mean, *_interval(e)) for budget, e in zip(one.budgets, gain.points, strict=True)),
        )
        for gain in one.gains
        if gain.strategy == strategy
    ]
    ticks = tuple((budget, amount(budget)) for budget in one.budgets)
    y_title = f"gain in {one.metric} over {one.reference}" if len(one.reference) < 20 else f"gain in {one.metric}"
    plane = Plane(f"{one.unit} bought", y_title, ticks, is_geometric(one.budgets), signed=True)
    alternative = (
        f"Gain in {one.metric} over {one.reference} with {strategy} against {one.unit} bought: {len(lines)} lines. The "
        "table below has every number."
    )

    def draw(width: int) -> str:
        return line_chart(lines, plane, drawn, list(drawn), alternative, width)

    return Figure(
        f"Gain over {one.reference} at each budget, with {strategy}",
        f"Mean paired difference over seeds; above zero is better. Bands: 95 % t-intervals, from {FEW_SEEDS} seeds on.",
        draw(WIDE),
        draw(NARROW),
        f"figures/facets-{number}-curves.svg",
        (),
        (),
    )


def _gains(one: FacetComparison, drawn: Mapping[str, Style], number: int) -> Figure:
    shown = one.gains[:MOST_ROWS]
    rows = [
        Row(
            f"{gain.strategy}, {short(gain.value, 12)}",
            gain.area,
            gain.seeds,
            gain.adjusted <= ALPHA,
            drawn[gain.value],
        )
        for gain in shown
    ]
    alternative = (
        f"Gain over {one.reference} in AUBC with each strategy: {len(rows)} rows with 95 % intervals. The table below "
        "the chart holds every number."
    )
    cut = f" The first {MOST_ROWS} of {len(one.gains)} rows of the table." if len(one.gains) > MOST_ROWS else ""

    def draw(width: int) -> str:
        return forest_chart(rows, "gain (AUBC)", alternative, width)

    return Figure(
        f"Gain over {one.reference} over all budgets, with each strategy",
        f"One dot per seed; whiskers: 95 % t-intervals, from {FEW_SEEDS} seeds on. Filled marks stay significant after "
        f"Holm’s adjustment over the {len(one.gains)} rows of the table.{cut}",
        draw(WIDE),
        draw(NARROW),
        f"figures/facets-{number}-gains.svg",
        (),
        (),
    )


def _interval(e: Estimate) -> tuple[float, float]:
    return (e.low, e.high) if e.n >= FEW_SEEDS else (math.nan, math.nan)
