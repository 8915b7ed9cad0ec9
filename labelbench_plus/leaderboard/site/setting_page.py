"""The page of a setting: the two charts that matter, who is how good, and everything behind it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from labelbench_plus.leaderboard.charts.style import Style, styles
from labelbench_plus.leaderboard.formatting import decimals_for, number, p_value
from labelbench_plus.leaderboard.runs import BADGES
from labelbench_plus.leaderboard.setting import BoardSetting
from labelbench_plus.leaderboard.shown_scores import caveats, shown_scores
from labelbench_plus.leaderboard.site.figures import Figure, of_setting, prominent, savings_table
from labelbench_plus.leaderboard.site.pages import TITLE, Member, Site, run_ids, runs_href, stem_of
from labelbench_plus.leaderboard.site.provenance import cautions, hardware
from labelbench_plus.leaderboard.site.render import Page, render
from labelbench_plus.leaderboard.site.series_views import of_setting as of_series
from labelbench_plus.leaderboard.site.tables import table_view
from labelbench_plus.leaderboard.statistics import ALPHA
from labelbench_plus.leaderboard.table import Column, Table
from labelbench_plus.leaderboard.text import conditions, findings
from labelbench_plus.leaderboard.titles import knows_truth

LONGEST_HEADING = 90  # letters: what is longer stands below the titles of its halves


def setting_page(site: Site, member: Member) -> tuple[str, bytes, list[Figure]]:
    """The page of a setting: path, content, figures."""
    board, setting = member.board, member.setting
    baseline, stem = board.meta.baseline, stem_of(member.href)
    drawn = _styles(setting, baseline)
    bounds = {*setting.runs.bounds, *(n for n in setting.table.names() if knows_truth(site.names.exact.get(n, n)))}
    view = table_view(
        with_pairs(setting),
        "ranking",
        f"Ranking, {setting.name}",
        board.meta.higher_is_better,
        baseline,
        details=True,
        href=site.strategy_href,
        labels=site.names.exact,
        bounds=bounds,
        drawn=drawn,
    )
    lead, figures = of_setting(setting, board.meta, drawn, stem)
    records, ids = site.records_of(board), run_ids(setting)
    if len(hardware(records, ids)) > 1:  # seconds of different machines must not be drawn on one axis
        figures = [figure for figure in figures if not figure.file.endswith("-pareto.svg")]
    shown = prominent(setting, baseline)
    legend = [
        {"name": row.name, "style": row.style, "swatch": row.swatch, "prominent": row.name in shown}
        for row in view.rows
        if row.name in setting.tests.names
    ]
    series = of_series(board, setting, drawn, shown, stem)
    others = shown_scores(setting)
    savings = savings_table(setting)
    crumbs = (("index.html", "Overview"), ("", board.meta.title))
    titles, source = site.names.titles, member.source
    heading = setting.name
    if len(heading) > LONGEST_HEADING:
        heading = f"{titles.problem(source.problem).title} × {titles.trainer(source.trainer).title}"
    page = Page(member.href, f"{heading} · {TITLE}", heading, crumbs)
    content = render(
        "problem",
        page,
        setting=setting,
        view=view,
        lead=lead,
        figures=figures,
        exact=member.exact,
        bounded=bool(bounds),
        legend=legend,
        facets=[
            (site.facet_anchor(one), one.title) for one in site.facets if setting in sum(one.settings.values(), ())
        ],
        series=series,
        shown=others and table_view(others, "shown", f"Other scores, {setting.name}", True, baseline, details=True),
        caveats=caveats(setting),
        savings={"head": savings[0], "lines": savings[1]} if savings else None,
        pairs=_pairs(setting) if len(setting.tests.names) > 1 else (),
        conditions=conditions(setting),
        findings=findings(setting, baseline, baseline_first=True),
        warnings=(*(board.notes if site.results_of(board).sent_by else ()), *setting.warnings, *cautions(records, ids)),
        metric=board.meta.metric,
        baseline=baseline,
        alpha=f"{ALPHA:g}",
        runs_href=runs_href(member),
        trust=_trust(site, member),
    )
    return member.href, content, [*lead, *figures, *(one.figure for one in series if one.figure)]


def _trust(site: Site, member: Member) -> str:
    """How many of a setting's runs have which badge; nothing where nobody has checked any."""
    meta, again = member.board.meta, site.results_of(member.board).again
    ids = run_ids(member.setting)
    counts = Counter(meta.badge_of(run) for run in ids)
    if not meta.badges.keys() & set(ids):
        return ""
    done = [again[run] for run in ids if run in again]
    share = (
        f"; {sum(len(one.trained) for one in done)} of {sum(one.of for one in done)} rounds of the replayed runs "
        f"trained again, {sum(len(one.chosen) for one in done)} chosen again"
    )
    return ", ".join(f"{counts[badge]} {badge}" for badge in BADGES if counts[badge]) + (share if done else "")


def _styles(setting: BoardSetting, baseline: str) -> dict[str, Style]:
    names = setting.table.names()
    shown = prominent(setting, baseline) if setting.tests.names else ()
    return styles([*shown, *(name for name in names if name not in shown)], baseline)


def _pairs(setting: BoardSetting) -> tuple[tuple[tuple[str, bool, str], ...], ...]:
    # Both halves of the square would say the same: gains stand above the diagonal, p-values below it.
    tests, sign = setting.tests, 1 if setting.higher_is_better else -1
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
                ("p4" if sign * tests.difference[i, j] > 0 else "n4") if tests.adjusted[i, j] <= ALPHA else "",
            )
            for j in range(len(tests.names))
        )
        for i in range(len(tests.names))
    )


def with_pairs(setting: BoardSetting) -> Table:
    """The table of a setting, with how many others each strategy differs from significantly, and in which direction."""
    table, tests = setting.table, setting.tests
    if len(tests.names) < 2 or setting.about.knows_truth:
        return table
    sign, others = 1 if setting.higher_is_better else -1, len(tests.names) - 1
    told = {}
    for i, name in enumerate(tests.names):
        gains = sign * tests.difference[i][tests.adjusted[i] <= ALPHA]
        told[name] = f"{int((gains > 0).sum())} · {int((gains < 0).sum())} of {others}"
    about = (
        f"of {others} others, how many it is significantly better than, and worse than (paired t-tests of AUBC over "
        f"seeds, Holm-adjusted over all {others * (others + 1) // 2} pairs, α = {ALPHA:g})"
    )
    column = Column("told_apart", "better · worse than", "text", about)
    at = 1 + next(j for j, each in enumerate(table.columns) if each.kind == "label")
    rows = zip(table.names(), table.rows, strict=True)
    return replace(
        table,
        columns=(*table.columns[:at], column, *table.columns[at:]),
        rows=tuple((*row[:at], told.get(name), *row[at:]) for name, row in rows),
    )
