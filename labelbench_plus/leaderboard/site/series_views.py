"""The series of a setting: a chart and a table when the budget is spent, and a table for each budget before."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from labelbench_plus.leaderboard.board import Board
from labelbench_plus.leaderboard.charts.front import FrontPlane, Spot, front_chart
from labelbench_plus.leaderboard.charts.style import UNTOGGLED, Style, style_of_given, styles, swatch
from labelbench_plus.leaderboard.charts.svg import NARROW, WIDE
from labelbench_plus.leaderboard.formatting import amount
from labelbench_plus.leaderboard.series import NAMES_OF_GIVEN, Gathered, Points, gather, gather_trainers, rivals
from labelbench_plus.leaderboard.setting import BoardSetting
from labelbench_plus.leaderboard.site.figures import Figure
from labelbench_plus.leaderboard.site.tables import TableView, table_view
from labelbench_plus.leaderboard.statistics import Estimate
from labelbench_plus.leaderboard.warnings import FEW_SEEDS

NOWHERE = (math.nan, math.nan)


def of_setting(
    board: Board, setting: BoardSetting, drawn: Mapping[str, Style], shown: Collection[str], stem: str
) -> list[SeriesView]:
    """All series of a setting: strategies against each other, and trainers with the baseline where there are several.

    `drawn`: how strategies look on the page; `shown`: those that are not pale. `stem` begins the names of files.
    """
    if not setting.about.series or not setting.tests.names:
        return []
    before = range(len(setting.budgets) - 1)
    strategies = [gather(setting, number) for number in (*before, -1)]
    others = next(settings for settings in rivals(board) if setting in settings)
    trainers = [gather_trainers(others, board.meta.baseline, number) for number in (*before, -1)]
    # They have lines of their own: no toggle of a strategy means them.
    looks = {name: replace(style, index=UNTOGGLED) for name, style in styles(_names(trainers), "").items()}
    views = []
    for lines, how, visible, word in ((strategies, drawn, shown, "series"), (trainers, looks, looks, "trainers")):
        for i, found in enumerate(lines[-1]):
            anchor = f"{word}-{i + 1}"
            earlier = [of_budget[i] for of_budget in lines[:-1]]
            views.append(series_view(found, earlier, setting.unit, how, visible, anchor, f"{stem}-{anchor}"))
    return views


def _names(found: Sequence[tuple[Gathered, ...]]) -> list[str]:
    return [name for each in found[-1][:1] for name in each.lines]


@dataclass(frozen=True)
class SeriesView:
    """What a page shows of a series: `figure` (None for a table alone) with its `legend` of swatches and names, the
    table at the last budget, and `earlier` ones by their budget."""

    anchor: str
    heading: str
    about: str
    figure: Figure | None
    legend: tuple[tuple[Markup, str], ...]
    view: TableView
    earlier: tuple[tuple[str, TableView], ...]


def series_view(
    found: Gathered,
    earlier: Collection[Gathered],
    unit: str,
    drawn: Mapping[str, Style],
    shown: Collection[str],
    anchor: str,
    stem: str,
) -> SeriesView:
    """The view of a series that was `found` at the last budget, and at `earlier` ones.

    `drawn`: how its lines look; `shown`: those that are not pale. `stem` begins the name of the drawing's file.
    """
    spent = f"{amount(found.budget)} {unit}"
    given = {NAMES_OF_GIVEN[kind]: style_of_given(i) for i, kind in enumerate(found.given)}
    looks = {**drawn, **given}
    about = f"After {spent}. Means over the seeds that have the point; where no seed has it there is a gap."
    if found.given:
        about += f" Beside them the {' and the '.join(NAMES_OF_GIVEN[given] for given in found.given)}."

    def table(at: Gathered, name: str) -> TableView:
        label = f"{at.title}, after {amount(at.budget)} {unit}"
        return table_view(at.table(), name, label, True, "", details=True)

    return SeriesView(
        anchor,
        found.title,
        about,
        _figure(found, spent, looks, [*shown, *given], stem) if found.series.chart else None,
        tuple((Markup(swatch(looks[name])), name) for name in (*found.lines, *given)),
        table(found, f"{anchor}-table"),
        tuple(
            (f"{amount(each.budget)} {unit}", table(each, f"{anchor}-at-{i}"))
            for i, each in enumerate(earlier, start=1)
        ),
    )


def _figure(
    found: Gathered, spent: str, drawn: Mapping[str, Style], shown: Collection[str], stem: str
) -> Figure | None:
    series = found.series
    assert series.chart is not None
    (x_name, y_name), places = series.chart, found.places
    lines = {name: _spots(found, points) for name, points in found.lines.items()}
    lines = {name: spots for name, spots in lines.items() if any(not math.isnan(spot.y) for spot in spots)}
    if not lines:
        return None
    shown_columns = {x_name, y_name} - {series.parameter}
    lines |= {
        NAMES_OF_GIVEN[kind]: _spots(found, points)
        for kind, points in found.given.items()
        if shown_columns <= points.keys()
    }
    in_order = "" if places or x_name != series.parameter else ", in order of the table"
    plane = FrontPlane(x_name + in_order, y_name, joined=places is not None)
    alternative = (
        f"{y_name} against {x_name} after {spent}, one line per {found.of}: {len(lines)} lines of {len(series.at)} "
        "points. The table below has every number."
    )

    def draw(width: int) -> str:
        return front_chart(lines, plane, drawn, shown, alternative, width)

    joined = f"Points of one line in the order of “{series.parameter}”. " if places else ""
    return Figure(
        f"{series.name}: {y_name} against {x_name}",
        f"After {spent}. {joined}Whiskers: 95 % t-intervals over seeds, from {FEW_SEEDS} seeds on.",
        draw(WIDE),
        draw(NARROW),
        f"figures/{stem}.svg",
        (),
        (),
    )


def _spots(found: Gathered, points: Points) -> tuple[Spot, ...]:
    series = found.series
    assert series.chart is not None
    (x_name, y_name), places = series.chart, found.places
    spots = []
    for i, at in enumerate(series.at):
        place = Estimate(places[i] if places else i + 1.0, *NOWHERE, 1)
        x, y = (place if name == series.parameter else points[name][i] for name in (x_name, y_name))
        if x is None or y is None:
            spots.append(Spot(at, math.nan, math.nan, NOWHERE, NOWHERE))
        else:
            spots.append(Spot(at, x.mean, y.mean, _interval(x), _interval(y)))
    return tuple(spots)


def _interval(e: Estimate) -> tuple[float, float]:
    return (e.low, e.high) if e.n >= FEW_SEEDS else NOWHERE
