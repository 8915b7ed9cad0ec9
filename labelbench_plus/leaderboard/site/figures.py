"""The figures of the pages: what is drawn, what stands below it, and the same in numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from labelbench_plus.leaderboard.charts.forest import Row, forest_chart
from labelbench_plus.leaderboard.charts.lines import Line, Plane, line_chart
from labelbench_plus.leaderboard.charts.pareto import Point, frontier, pareto_chart
from labelbench_plus.leaderboard.charts.ranks import rank_diagram
from labelbench_plus.leaderboard.charts.style import Style
from labelbench_plus.leaderboard.charts.svg import NARROW, WIDE, decimals_of_step, is_geometric, nice_ticks
from labelbench_plus.leaderboard.formatting import (
    ABSENT,
    amount,
    decimals_for,
    number,
    p_value,
    percent,
    saving,
    seconds,
)
from labelbench_plus.leaderboard.runs import BoardMeta
from labelbench_plus.leaderboard.setting import BoardSetting, Curve
from labelbench_plus.leaderboard.statistics import ALPHA, FEW_SEEDS, SHARES, Estimate, SavingPoint, t_interval
from labelbench_plus.leaderboard.tracks import Track, TrackBoard, measure_of, several_datasets

FEW_LINES = 7  # up to this many, all lines are shown at once
MOST_LEADERS = 5
ROOM = 30  # letters
FULL = 900  # pixels of the charts that a page opens with
LEAST_SAVING = -1.0  # more than twice the budget: drawn, it would squeeze all that is saved


@dataclass(frozen=True)
class Figure:
    """A drawing for wide and for narrow screens (the style sheet shows one), its `file`, and its numbers."""

    heading: str
    caption: str
    wide: str
    narrow: str
    file: str
    head: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]


def prominent(setting: BoardSetting, baseline: str) -> tuple[str, ...]:
    """What a crowded chart shows at first: the first three, the first few of the leaders, the baseline, the last."""
    names = setting.tests.names
    if len(names) <= FEW_LINES:
        return names
    chosen = {*names[:3], *setting.leaders[:MOST_LEADERS], *([baseline] if baseline in names else []), names[-1]}
    return tuple(name for name in names if name in chosen)


def of_setting(
    setting: BoardSetting, meta: BoardMeta, drawn: Mapping[str, Style], stem: str
) -> tuple[list[Figure], list[Figure]]:
    """The figures that a setting's page opens with, and all others; `stem` begins the names of their files."""
    shown = prominent(setting, meta.baseline)
    lead: list[Figure] = []
    figures: list[Figure] = []
    if len(setting.budgets) > 1 and setting.curves:
        lead.append(_curves(setting, setting.curves, meta, drawn, shown, stem, gains=False))
    if setting.gains:
        lead.append(_gains(setting, meta, drawn, stem))
    if len(setting.budgets) > 1 and setting.gain_curves:
        figures.append(_curves(setting, setting.gain_curves, meta, drawn, shown, stem, gains=True))
    if any(p.value >= LEAST_SAVING for points in setting.saving_curves.values() for p in points):
        figures.append(_savings(setting, meta, drawn, shown, stem))
    if points := _costs(setting):
        figures.append(_pareto(points, setting, meta, drawn, stem))
    return lead, figures


def of_track(board: TrackBoard, drawn: Mapping[str, Style], stem: str) -> list[Figure]:
    """The figures over all settings of a track."""
    figures, track = [], board.track
    if board.ranking is not None:
        r = board.ranking
        alternative = f"Mean ranks of {len(r.names)} strategies over {r.n_datasets} data sets; the table has them all."
        names = [[r.names[i] for i in range(first, last + 1)] for first, last in r.groups]
        figures.append(
            Figure(
                "Mean ranks over data sets",
                f"Bars join strategies that Wilcoxon’s tests, after Holm, do not tell apart; {r.n_datasets} data sets.",
                *_both(lambda width: rank_diagram(r, alternative, width)),
                f"figures/{stem}-ranks.svg",
                ("strategy", "mean rank", "groups"),
                tuple(
                    (name, number(mean, 2), ", ".join(str(g + 1) for g, group in enumerate(names) if name in group))
                    for name, mean in zip(r.names, r.mean_ranks, strict=True)
                ),
            )
        )
    if board.profiles:
        shown = list(board.profiles)[:3]  # bands of more would hide each other
        ticks = nice_ticks(board.thresholds[0], board.thresholds[-1])
        plane = Plane(
            _gain_axis(track, board.measure),
            "share with more than that gain",
            tuple((tick, number(tick, decimals_of_step(ticks), signed=abs(tick) > 1e-12)) for tick in ticks),
            percent=True,
        )
        lines = [
            Line(
                name,
                tuple((x, e.mean, e.low, e.high) for x, e in zip(board.thresholds, estimates, strict=True)),
            )
            for name, estimates in board.profiles.items()
        ]
        alternative = f"Performance profiles of {len(lines)} strategies; the table below has the numbers."
        figures.append(
            Figure(
                "Performance profiles",
                "Share of (data set, seed) with more than each gain; a line above another everywhere is better. "
                "Bands: 95 % intervals (see Method).",
                *_both(lambda width: line_chart(lines, plane, drawn, shown, alternative, width)),
                f"figures/{stem}-profiles.svg",
                ("gain above", *(line.strategy for line in lines)),
                tuple(
                    (number(x, 3, signed=True), *(percent(line.points[i][1]) for line in lines))
                    for i, x in enumerate(board.thresholds)
                    if i % 4 == 0
                ),
            )
        )
    return figures


def distinguishing(names: Sequence[str]) -> list[str]:
    """The part of each name that the others do not share, where a chart has no room for the whole."""
    if len(set(names)) < 2 or max(map(len, names)) <= ROOM:
        return list(names)
    rest = [name[_shared(names) :] for name in names]
    suffix = _shared([part[::-1] for part in rest])
    return [part[: len(part) - suffix] or name for part, name in zip(rest, names, strict=True)]


def _shared(names: Sequence[str]) -> int:
    """How many characters all begin with."""
    shortest = min(map(len, names))
    return next((i for i in range(shortest) if len({name[i] for name in names}) > 1), shortest)


def of_strategy(
    name: str, settings: Sequence[tuple[str, BoardSetting]], track: Track, style: Style, stem: str
) -> Figure | None:
    """The gains of one strategy over the baseline, setting by setting, seeds as dots; None for fewer than two.

    They are in what may be averaged over data sets, where there are several: one axis has one unit.
    """
    found = [(label, setting) for label, setting in settings if name in dict(setting.gains)]
    if len(found) < 2:
        return None
    found_in, baseline, rows = [setting for _, setting in found], track.baseline, []
    averaged = several_datasets(found_in)
    for label, (_, setting) in zip(distinguishing([label for label, _ in found]), found, strict=True):
        gains = list(setting.gains_by_seed(name, baseline, averaged=averaged).values())
        rows.append(Row(label, t_interval(gains), tuple(gains), name in setting.beats_baseline, style))
    return _forest(
        rows,
        f"Gain over {baseline}, seed by seed",
        _gain_axis(track, measure_of(track, found_in)),
        f"Gain of {name} over {baseline} in {len(rows)} settings; the table below has every number.",
        f"figures/{stem}-gains.svg",
        ("setting", "gain", "95 % interval", "seeds"),
        tuple((label, *_estimate_cells(row.estimate, rows)) for (label, _), row in zip(found, rows, strict=True)),
        "Filled marks: better at p ≤ 0.05 after Holm’s adjustment over the setting’s comparisons with it.",
    )


def _gain_axis(track: Track, measure: str) -> str:
    return f"gain over {track.baseline} (AUBC{'' if measure == track.metric else f' of {measure}'})"


def _curves(
    setting: BoardSetting,
    curves: Sequence[Curve],
    meta: BoardMeta,
    drawn: Mapping[str, Style],
    shown: Collection[str],
    stem: str,
    gains: bool,
) -> Figure:
    measure = f"gain in {meta.metric} over {meta.baseline}" if gains else meta.metric
    ticks = tuple((budget, amount(budget)) for budget in setting.budgets)
    spent = "budget spent" if setting.unit == "units of budget" else f"{setting.unit} bought"
    plane = Plane(spent, measure, ticks, is_geometric(setting.budgets), signed=gains)
    lines = [
        Line(
            curve.strategy,
            tuple(
                (budget, p.mean, *((p.low, p.high) if p.n >= FEW_SEEDS else (math.nan, math.nan)))
                for budget, p in zip(setting.budgets, curve.points, strict=True)
            ),
        )
        for curve in curves
    ]
    alternative = (
        f"{measure} against {spent}, {setting.name}: {len(curves)} strategies, {len(setting.budgets)} budgets. "
        "The table below has every number."
    )
    caption = (
        "Mean paired difference over seeds; above zero is better."
        if gains
        else "Mean over seeds on the test split, each strategy on its own; paired differences can be sharper than "
        "overlapping bands suggest."
    )
    decimals = decimals_for(point for curve in curves for point in curve.points)
    rows = tuple(
        (amount(budget), *(_bracketed(curve.points[i], decimals, gains) for curve in curves))
        for i, budget in enumerate(setting.budgets)
    )
    return Figure(
        f"Gain over {meta.baseline} at each budget" if gains else "Learning curves",
        f"{caption} {_bands([curve.points[0].n for curve in curves], 'Bands')}",
        *_both(lambda width: line_chart(lines, plane, drawn, shown, alternative, width), WIDE if gains else FULL),
        f"figures/{stem}-{'gain-curves' if gains else 'curves'}.svg",
        (setting.unit, *(curve.strategy for curve in curves)),
        rows,
    )


def _gains(setting: BoardSetting, meta: BoardMeta, drawn: Mapping[str, Style], stem: str) -> Figure:
    tests = setting.tests
    against = tests.names.index(meta.baseline)
    rows = [
        Row(
            name,
            gain,
            tuple(setting.paired_gains(name, meta.baseline).tolist()),
            setting.against_baseline[name] <= ALPHA,
            drawn[name],
        )
        for name, gain in setting.gains
    ]
    intervals = _bands([gain.n for _, gain in setting.gains], "Whiskers")
    return _forest(
        rows,
        f"Gain over {meta.baseline} over all budgets",
        f"gain over {meta.baseline} (AUBC)",
        f"Gain over {meta.baseline} in AUBC, {setting.name}: {len(rows)} strategies with 95 % intervals. "
        "The table below has every number.",
        f"figures/{stem}-gains.svg",
        ("strategy", "gain", "95 % interval", "pairs", "p", "p, Holm"),
        tuple(
            (
                row.label,
                *_estimate_cells(row.estimate, rows),
                p_value(float(tests.p[tests.names.index(row.label), against])),
                p_value(setting.against_baseline[row.label]),
            )
            for row in rows
        ),
        f"Difference in AUBC at equal seeds, each seed a dot. {intervals} Filled marks stay significant after Holm’s "
        f"adjustment over the comparisons with {meta.baseline}.",
        FULL,
    )


def _savings(
    setting: BoardSetting, meta: BoardMeta, drawn: Mapping[str, Style], shown: Collection[str], stem: str
) -> Figure:
    lines = [
        Line(name, tuple((p.level, *_no_less_than(p)) for p in points))
        for name, points in setting.saving_curves.items()
    ]
    levels = [p.level for p in next(iter(setting.saving_curves.values()))]
    round_levels = nice_ticks(min(levels), max(levels))
    ticks = tuple((tick, number(tick, decimals_of_step(round_levels))) for tick in round_levels)
    plane = Plane(f"level of {meta.metric}", f"{setting.unit} saved", ticks, signed=True, percent=True)
    alternative = f"Share of {setting.unit} saved against the level reached; {len(lines)} strategies, table below."
    return Figure(
        f"Saved against {meta.baseline}, at every level",
        f"Share of the {setting.unit} of {meta.baseline} not needed to reach a level, as far as both reach it; above "
        "zero is better. What needs more than twice as much is not drawn. Bands: 95 % t-intervals of log ratios, where "
        "every seed reaches the level.",
        *_both(lambda width: line_chart(lines, plane, drawn, shown, alternative, width)),
        f"figures/{stem}-savings.svg",
        ("level", *(line.strategy for line in lines)),
        tuple(
            (
                number(level, 4),
                *(percent(points[i].value, signed=True) for points in setting.saving_curves.values()),
            )
            for i, level in enumerate(levels)
            if i % 3 == 0 or level == levels[-1]
        ),
    )


def _no_less_than(point: SavingPoint) -> tuple[float, float, float]:
    drawn = point.value >= LEAST_SAVING
    return (point.value, max(point.low, LEAST_SAVING), point.high) if drawn else (math.nan, math.nan, math.nan)


def _costs(setting: BoardSetting) -> list[Point]:
    keys = [column.key for column in setting.table.columns]
    gains = dict(setting.gains)
    points = []
    for row in setting.table.rows:
        name, cost = str(row[keys.index("strategy")]), row[keys.index("select_seconds")]
        if isinstance(cost, float) and cost > 0 and name in gains:
            points.append(Point(name, cost, gains[name].mean))
    return points if len(points) > 1 else []


def _pareto(
    points: list[Point], setting: BoardSetting, meta: BoardMeta, drawn: Mapping[str, Style], stem: str
) -> Figure:
    best = {point.strategy: i for i, point in enumerate(frontier(points), start=1)}
    listed = ", ".join(f"{i} {name}" for name, i in best.items())
    alternative = (
        f"Gain over {meta.baseline} against seconds of selection, {setting.name}: {len(points)} strategies. "
        "The table below has every number."
    )
    title = f"gain over {meta.baseline} (AUBC)"
    return Figure(
        "Gain against the cost of selection",
        "Seconds of selection in a whole run, mean over runs, on whatever machine computed them (see the runs). "
        f"The dashed line joins strategies that none beats in both, cheapest first: {listed}.",
        *_both(lambda w: pareto_chart(points, "seconds of selection a run (log scale)", title, drawn, alternative, w)),
        f"figures/{stem}-pareto.svg",
        ("strategy", "select (s)", "gain", "on the frontier"),
        tuple(
            (p.strategy, seconds(p.cost), number(p.gain, 4, signed=True), str(best.get(p.strategy, ABSENT)))
            for p in sorted(points, key=lambda p: p.cost)
        ),
    )


def savings_table(setting: BoardSetting) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]] | None:
    """Head and lines of the table of savings at every fixed level, with the raw figure beside the headline."""
    if not any(any(one is not None for one in each) for each in setting.savings.values()):
        return None
    names = [percent(share) for share in SHARES]
    head = ("strategy", *(x for name in names for x in (f"at {name}", f"raw at {name}")), "seeds that reach 100 %")
    lines = []
    for strategy, each in setting.savings.items():
        cells = [
            text for one in each for text in ((ABSENT, ABSENT) if one is None else (saving(one), percent(one.raw)))
        ]
        last = each[0]
        lines.append((strategy, *cells, ABSENT if last is None else f"{last.reached} of {last.seeds}"))
    return head, tuple(lines)


def _forest(
    rows: list[Row],
    heading: str,
    title: str,
    alternative: str,
    file: str,
    head: tuple[str, ...],
    lines: tuple[tuple[str, ...], ...],
    caption: str,
    width_of_wide: int = WIDE,
) -> Figure:
    wide, narrow = _both(lambda width: forest_chart(rows, title, alternative, width), width_of_wide)
    return Figure(heading, caption, wide, narrow, file, head, lines)


def _estimate_cells(e: Estimate, rows: Sequence[Row]) -> tuple[str, str, str]:
    decimals = decimals_for(row.estimate for row in rows)
    mean, low, high = (number(v, decimals, signed=True) for v in (e.mean, e.low, e.high))
    return mean, f"{low} to {high}", str(e.n)


def _bands(n: Sequence[int], what: str) -> str:
    seeds = f"n = {n[0]}" if min(n) == max(n) else f"n = {min(n)} to {max(n)}"
    unless = f"; none where n < {FEW_SEEDS}" if min(n) < FEW_SEEDS else ""
    return f"{what}: 95 % t-intervals ({seeds}{unless})."


def _bracketed(value: Estimate, decimals: int, signed: bool) -> str:
    mean = number(value.mean, decimals, signed)
    if math.isnan(value.half_width):
        return mean
    return f"{mean} [{number(value.low, decimals, signed)}, {number(value.high, decimals, signed)}]"


def _both(draw: Callable[[int], str], wide: int = WIDE) -> tuple[str, str]:
    return draw(wide), draw(NARROW)
