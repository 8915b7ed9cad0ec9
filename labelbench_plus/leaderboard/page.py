"""A board as one HTML file that needs no network, no server and, but for sorting, no JavaScript."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

import jinja2
from markupsafe import Markup

from labelbench_plus.leaderboard.board import FEW_SEEDS, Board, Cell, Column, Curve, Setting, columns_of
from labelbench_plus.leaderboard.charts import NARROW, Style, curves_chart, gains_chart, styles, swatch
from labelbench_plus.leaderboard.formatting import (
    amount,
    decimals_for,
    format_cells,
    number,
    p_value,
    printable,
    sort_key,
)
from labelbench_plus.leaderboard.statistics import ALPHA, Estimate, RankRange
from labelbench_plus.leaderboard.text import conditions, findings

WIDE = 580


@dataclass(frozen=True)
class _Heading:
    column: Column
    align: str
    first: str  # the direction of the first sort: best on top


@dataclass(frozen=True)
class _CellView:
    kind: str
    align: str
    sort: str | None
    text: str
    aside: str
    aside_class: str


@dataclass(frozen=True)
class _RowView:
    name: str
    is_baseline: bool
    style: Style
    swatch: Markup
    cells: tuple[_CellView, ...]


@dataclass(frozen=True)
class _Figure:
    heading: str
    caption: str
    charts: Markup  # the same chart for wide and for narrow screens; the style sheet shows one
    legend: tuple[str, ...]  # strategies to name below a narrow chart
    head: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class _SettingView:
    """A setting in the words of the template: text, drawn charts and tables of text."""

    setting: Setting
    slug: str
    conditions: str
    findings: tuple[str, ...]
    headings: tuple[_Heading, ...]
    rows: tuple[_RowView, ...]
    figures: tuple[_Figure, ...]
    pairs: tuple[tuple[tuple[str, bool], ...], ...]  # text and whether it is significant


def render(board: Board, data_sha256: str) -> str:
    """The page as text: the same board gives the same bytes.

    `data_sha256`: hexadecimal digest of the curves.csv beside the page, by which results can be cited.
    Nothing on the page can start a request: its content security policy allows the page's own style and script, by
    their hashes, and nothing else.
    """
    css, js = _asset("page.css"), _asset("page.js")
    policy = (
        f"default-src 'none'; style-src 'sha256-{_digest(css)}'; script-src 'sha256-{_digest(js)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["printable"] = printable
    strategies = [str(name) for setting in board.settings for name in _labels(setting)]
    drawn = styles(strategies, board.meta.baseline)
    slugs = _slugs([setting.name for setting in board.settings])
    return environment.from_string(_asset("page.html.j2")).render(
        board=board,
        metric=printable(board.meta.metric),
        columns=columns_of(board.meta),
        views=[_view(s, board, drawn, slug) for s, slug in zip(board.settings, slugs, strict=True)],
        policy=policy,
        css=Markup(css),
        js=Markup(js),
        data_sha256=data_sha256,
        few_seeds=FEW_SEEDS,
        alpha=f"{ALPHA:g}",
    )


def _view(setting: Setting, board: Board, drawn: dict[str, Style], slug: str) -> _SettingView:
    meta = board.meta
    filled = setting.table.filled(details=True)
    cells = zip(*(_cells(column, values) for column, values in filled), strict=True)
    rows = tuple(
        _RowView(name, name == meta.baseline, drawn[name], Markup(swatch(drawn[name])), of_row)
        for name, of_row in zip(_labels(setting), cells, strict=True)
    )
    return _SettingView(
        setting=setting,
        slug=slug,
        conditions=conditions(setting),
        findings=findings(setting, meta.baseline),
        headings=tuple(_heading(column, meta.higher_is_better) for column, _ in filled),
        rows=rows,
        figures=_figures(setting, board, drawn),
        pairs=_pairs(setting, meta.higher_is_better) if len(setting.tests.names) > 1 else (),
    )


def _figures(setting: Setting, board: Board, drawn: dict[str, Style]) -> tuple[_Figure, ...]:
    metric, baseline = board.meta.metric, board.meta.baseline
    figures = []
    lines = [
        (
            setting.curves,
            metric,
            False,
            "Learning curves",
            "Mean over seeds on the test split, each strategy by itself; differences at equal seeds can be "
            "sharper than overlapping bands suggest.",
        ),
        (
            setting.gain_curves,
            f"gain in {metric} over {baseline}",
            True,
            f"Gain over {baseline} at each budget",
            "Mean of the differences at equal seeds; above zero is better.",
        ),
    ]
    for curves, measure, gains, heading, caption in lines:
        if curves and len(setting.budgets) > 1:
            drawings = [curves_chart(curves, setting, measure, drawn, width, gains) for width in (WIDE, NARROW)]
            head = ("labels" if setting.unit == "labels" else "budget", *(curve.strategy for curve in curves))
            caption = f"{caption} {_bands([curve.points[0].n for curve in curves], 'Bands')}"
            figures.append(
                _Figure(heading, caption, _both(drawings), head[1:], head, _curve_lines(curves, setting, gains))
            )
    if setting.gains:
        drawings = [gains_chart(setting, baseline, drawn, width) for width in (WIDE, NARROW)]
        intervals = _bands([gain.n for _, gain in setting.gains], "Whiskers")
        figures.append(
            _Figure(
                f"Gain over {baseline} over all budgets",
                "Difference in AUBC at equal seeds. "
                f"{intervals} Filled marks stay significant after Holm’s adjustment over all pairs.",
                _both(drawings),
                (),
                ("strategy", "gain", "95 % interval", "pairs", "p", "p, Holm"),
                _gain_lines(setting, baseline),
            )
        )
    return tuple(figures)


def _bands(n: Sequence[int], what: str) -> str:
    seeds = f"n = {n[0]}" if min(n) == max(n) else f"n = {min(n)} to {max(n)}"
    unless = f"; none where n < {FEW_SEEDS}" if min(n) < FEW_SEEDS else ""
    return f"{what}: 95 % t-intervals ({seeds}{unless})."


def _heading(column: Column, higher_is_better: bool) -> _Heading:
    descending = column.kind == "gain" or (column.kind == "score" and higher_is_better) or column.kind == "count"
    return _Heading(column, _align(column), "descending" if descending else "ascending")


def _align(column: Column) -> str:
    return "start" if column.kind in ("label", "rank") else "end"


def _cells(column: Column, cells: Sequence[Cell]) -> list[_CellView]:
    views = []
    for cell, text in zip(cells, format_cells(column, cells), strict=True):
        aside, aside_class = "", ""
        if isinstance(cell, Estimate) and " ± " in text:
            text, _, width = text.partition(" ± ")
            aside, aside_class = f" ± {width}", "spread"
        elif isinstance(cell, RankRange) and cell.tied:
            text, aside, aside_class = text.removesuffix(" tied"), " tied", "tied"
        views.append(_CellView(column.kind, _align(column), _sort_text(cell), text, aside, aside_class))
    return views


def _sort_text(cell: Cell) -> str | None:
    key = sort_key(cell)
    return " ".join(repr(part) for part in key) if isinstance(key, tuple) else key


def _curve_lines(curves: Sequence[Curve], setting: Setting, gains: bool) -> tuple[tuple[str, ...], ...]:
    decimals = decimals_for(point for curve in curves for point in curve.points)
    return tuple(
        (amount(budget), *(_bracketed(curve.points[i], decimals, gains) for curve in curves))
        for i, budget in enumerate(setting.budgets)
    )


def _bracketed(value: Estimate, decimals: int, signed: bool) -> str:
    mean = number(value.mean, decimals, signed)
    if value.n < 2:
        return mean
    return f"{mean} [{number(value.low, decimals, signed)}, {number(value.high, decimals, signed)}]"


def _gain_lines(setting: Setting, baseline: str) -> tuple[tuple[str, ...], ...]:
    tests, against = setting.tests, setting.tests.names.index(baseline)
    decimals = decimals_for(gain for _, gain in setting.gains)
    lines = []
    for strategy, gain in setting.gains:
        i = tests.names.index(strategy)
        mean, low, high = (number(v, decimals, signed=True) for v in (gain.mean, gain.low, gain.high))
        p, adjusted = p_value(tests.p[i, against]), p_value(tests.adjusted[i, against])
        lines.append((strategy, mean, f"{low} to {high}", str(gain.n), p, adjusted))
    return tuple(lines)


def _pairs(setting: Setting, higher_is_better: bool) -> tuple[tuple[tuple[str, bool], ...], ...]:
    # Both halves of the square would say the same: gains stand above the diagonal, p-values below it.
    tests, sign = setting.tests, 1 if higher_is_better else -1
    decimals = decimals_for(gain for _, gain in setting.gains)
    return tuple(
        tuple(
            (
                ""
                if i == j
                else number(sign * float(tests.difference[i, j]), decimals, signed=True)
                if i < j
                else p_value(tests.adjusted[i, j]),
                bool(tests.adjusted[i, j] <= ALPHA),
            )
            for j in range(len(tests.names))
        )
        for i in range(len(tests.names))
    )


def _both(drawings: Sequence[str]) -> Markup:
    return Markup("\n".join(drawings))  # charts.py escapes whatever comes from outside


def _labels(setting: Setting) -> list[str]:
    j = next(j for j, column in enumerate(setting.table.columns) if column.kind == "label")
    return [str(row[j]) for row in setting.table.rows]


def _slugs(names: Sequence[str]) -> list[str]:
    # Readable and unique: a link to a setting keeps working when another setting joins the board.
    slugs: list[str] = []
    for name in names:
        stem = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "setting"
        if stem in (*slugs, "main", "method"):
            stem = f"{stem}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
        slugs.append(stem)
    return slugs


def _asset(name: str) -> str:
    return resources.files(__package__).joinpath("templates", name).read_text(encoding="utf-8")


def _digest(content: str) -> str:
    return base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
