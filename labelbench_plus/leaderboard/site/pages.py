"""What stands on which page."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from labelbench_plus.leaderboard.board import Board
from labelbench_plus.leaderboard.charts.style import styles
from labelbench_plus.leaderboard.facets import FacetComparison, compare_facets
from labelbench_plus.leaderboard.formatting import amount, number, p_equals, sentence_list
from labelbench_plus.leaderboard.results import Results
from labelbench_plus.leaderboard.setting import BoardSetting
from labelbench_plus.leaderboard.site.figures import Figure, of_strategy, of_track
from labelbench_plus.leaderboard.site.method import definitions
from labelbench_plus.leaderboard.site.names import slug, slugs
from labelbench_plus.leaderboard.site.render import Page, render
from labelbench_plus.leaderboard.site.tables import TableView, table_view
from labelbench_plus.leaderboard.site.titled import Called, called, titled, titled_facet, titled_track
from labelbench_plus.leaderboard.statistics import FEWEST_DATASETS
from labelbench_plus.leaderboard.table import Column, Table
from labelbench_plus.leaderboard.text import findings
from labelbench_plus.leaderboard.titles import Titles, plugin_of
from labelbench_plus.leaderboard.tracks import Track, TrackBoard

TITLE = "LabelBench Plus leaderboard"


@dataclass(frozen=True)
class Member:
    """A setting as others link to it. `exact`: what archives call it; `source`: it under labels, before titles."""

    label: str
    exact: str
    href: str
    board: Board
    setting: BoardSetting
    source: BoardSetting


@dataclass(frozen=True, eq=False)
class Site:
    """All that pages are made from: `results` and their boards, tracks over them, and where each thing's page is.

    All of it is called by titles but for what it was made from: `source_boards` and `source_facets` are under labels.
    """

    results: Sequence[Results]
    boards: Sequence[Board]
    tracks: Sequence[TrackBoard]
    members: Sequence[Member]
    strategies: Mapping[str, str]
    track_slugs: Mapping[str, str]
    facets: Sequence[FacetComparison]
    names: Called
    source_boards: Sequence[Board]
    source_facets: Sequence[FacetComparison]

    def strategy_href(self, name: str) -> str:
        """The page of a strategy."""
        return f"strategy/{self.strategies[name]}.html"

    def member_of(self, setting: BoardSetting) -> Member:
        """A setting as others link to it."""
        return next(member for member in self.members if setting in (member.setting, member.source))

    def facet_anchor(self, comparison: FacetComparison) -> str:
        """Where a comparison stands on the page of comparisons along one facet."""
        return f"facet-{next(i for i, one in enumerate(self.facets, start=1) if one is comparison)}"

    def results_of(self, board: Board) -> Results:
        """What a board was made of."""
        return next(r for r, b in zip(self.results, self.boards, strict=True) if b is board)

    def records_of(self, board: Board) -> Mapping[str, Mapping[str, object]]:
        """The manifests that came with a board's results."""
        return self.results_of(board).records

    def trust(self, board: Board, run_id: str) -> str:
        """How far a run was verified, and which share of its rounds."""
        badge, again = board.meta.badge_of(run_id), self.results_of(board).again.get(run_id)
        return f"{badge} ({again})" if again and badge == "replayed" else badge


@dataclass(frozen=True)
class TrackView:
    """A track in words, with its table."""

    board: TrackBoard
    slug: str
    href: str
    conditions: str
    finding: str
    members: tuple[Member, ...]
    view: TableView


def make_site(results: Sequence[Results], boards: Sequence[Board], tracks: Sequence[TrackBoard]) -> Site:
    """Give everything its name and its place."""
    # Whoever sends results may call them what they like, but not what others sent.
    given = {label: title for each in results if not each.sent_by for label, title in each.meta.titles.items()}
    names = called(boards, Titles(given))
    shown = [titled(board, names) for board in boards]
    of_source = [
        (board, setting, source)
        for board, plain in zip(shown, boards, strict=True)
        for setting, source in zip(board.settings, plain.settings, strict=True)
    ]
    now = {id(source): (board, setting) for board, setting, source in of_source}
    shared = Counter(setting.name for _, setting, _ in of_source)
    keys = [f"{board.suite} {names.titles.setting(plain.problem, plain.trainer)}" for board, _, plain in of_source]
    paths = slugs(keys)
    members = tuple(
        Member(
            f"{setting.name} ({board.meta.title})" if shared[setting.name] > 1 else setting.name,
            source.name,
            f"problem/{paths[key]}.html",
            board,
            setting,
            source,
        )
        for key, (board, setting, source) in zip(keys, of_source, strict=True)
    )
    said = {name: names.titles.strategy(label).whole for name, label in names.exact.items()}
    alone = Counter(said.values())  # a page's name depends on its label, not on who else is there
    of_page = {name: each if alone[each] == 1 else names.exact[name] for name, each in said.items()}
    of_whole = slugs(list(of_page.values()))
    on_board = sorted({name for _, setting, _ in of_source for name in setting.table.names()})
    tracked = [titled_track(each, now, names) for each in tracks]
    said_so = [_key(replace(each.track, trainer=names.titles.trainer(each.track.trainer).whole)) for each in tracks]
    of_tracks = slugs(
        [key if said_so.count(key) == 1 else _key(each.track) for key, each in zip(said_so, tracks, strict=True)]
    )
    facets = compare_facets(boards)
    return Site(
        results,
        shown,
        tracked,
        members,
        {name: of_whole[of_page[name]] for name in on_board},
        dict(zip([_key(each.track) for each in tracked], of_tracks.values(), strict=True)),
        [titled_facet(one, now, names) for one in facets],
        names,
        boards,
        facets,
    )


def track_page(site: Site, board: TrackBoard) -> tuple[str, bytes, list[Figure]]:
    """The page of a track: path, content, figures."""
    view = track_view(site, board, details=True)
    drawn = styles(list(board.order), board.track.baseline)
    figures = of_track(board, drawn, f"track-{view.slug}")
    crumbs = (("index.html", "Overview"), ("", "Track"))
    page = Page(view.href, f"{board.track.name} · {TITLE}", board.track.name, crumbs)
    content = render("track", page, track=view, figures=figures, over=_over(board), heat=_heat(board))
    return view.href, content, figures


def strategy_page(site: Site, name: str) -> tuple[str, bytes, list[Figure]]:
    """The page of a strategy: how it does in every setting it was run in."""
    parts, figures, leads, total = [], [], 0, 0
    for i, track in enumerate(site.tracks):
        found = [site.member_of(s) for _, s in track.members if name in s.table.names()]
        if not found:
            continue
        total += len(found)
        leads += sum(name in member.setting.leaders for member in found)
        columns, rows = found[0].setting.table.columns, []
        at = next(j for j, column in enumerate(columns) if column.kind == "label")
        for member in found:
            row = list(member.setting.table.rows[member.setting.table.names().index(name)])
            row[at] = member.label
            rows.append(tuple(row))
        head = (*columns[:at], Column("setting", "setting", "label", "problem and trainer"), *columns[at + 1 :])
        links = {member.label: member.href for member in found}
        view = table_view(
            Table(head, tuple(rows)),
            f"t{i}",
            f"{name}, {track.track.name}",
            track.track.higher_is_better,
            "",
            details=True,
            href=links.__getitem__,
        )
        style = next(iter(styles([name], track.track.baseline).values()))
        drawn = of_strategy(
            name,
            [(member.label, member.setting) for member in found],
            track.track,
            style,
            f"strategy-{site.strategies[name]}-{i}",
        )
        figures += [drawn] if drawn else []
        href = f"track/{site.track_slugs[_key(track.track)]}.html"
        parts.append({"track": track.track, "href": href, "view": view, "figure": drawn})
    summary = f"In the leading group of {leads} of {total} settings."
    crumbs = (("index.html", "Overview"), ("", "Strategy"))
    page = Page(site.strategy_href(name), f"{name} · {TITLE}", name, crumbs)
    label = site.names.exact.get(name, name)
    cls = plugin_of(label, "strategies")
    cited = cls.reference if cls is not None else None
    content = render("strategy", page, parts=parts, summary=summary, label=label, cited=cited)
    return page.path, content, figures


def method_page() -> bytes:
    """method.html: the definitions."""
    return render("method", Page("method.html", f"Method · {TITLE}", "Method"), parts=definitions())


def track_view(site: Site, board: TrackBoard, details: bool) -> TrackView:
    """A track's table and what is said above it."""
    track = board.track
    name = site.track_slugs[_key(track)]
    members = tuple(site.member_of(setting) for _, setting in board.members)
    runs = sum(member.setting.n_runs for member in members)
    data = f"{len(board.datasets)} data set{'s' if len(board.datasets) > 1 else ''}: {', '.join(board.datasets)}"
    better = "higher" if track.higher_is_better else "lower"
    unit = "" if board.measure == track.metric else f" in {board.measure}"
    view = table_view(
        board.table,
        "ranking" if details else f"t-{name}",
        f"Ranking, {track.name}",
        track.higher_is_better,
        track.baseline,
        details,
        href=site.strategy_href,
        labels=site.names.exact,
    )
    return TrackView(
        board,
        name,
        f"track/{name}.html",
        f"ranked by {track.metric}, {better} is better · gains over {track.baseline}{unit} · {data} · {runs:,} runs",
        _finding(board),
        members,
        view,
    )


def runs_href(member: Member, number: int = 1) -> str:
    """A page of a setting's runs, the first unless another is asked for."""
    return f"runs/{stem_of(member.href)}{'' if number == 1 else f'-page-{number}'}.html"


def _key(track: Track) -> str:
    return f"{track.name} · {track.metric}" + ("" if track.baseline == "random" else f" · over {track.baseline}")


def stem_of(href: str) -> str:
    return href.rpartition("/")[2].removesuffix(".html")


def run_ids(setting: BoardSetting) -> list[str]:
    """The valid runs of a setting."""
    return [run.run_id for by_seed in setting.runs.shown.values() for run in by_seed.values()]


def _finding(board: TrackBoard) -> str:
    if len(board.members) == 1:
        _, setting = board.members[0]
        return (findings(setting, board.track.baseline, baseline_first=True) or ("",))[0]
    if len(board.order) < 2:
        return ""
    n = len(board.members)
    leads = {name: sum(name in setting.leaders for _, setting in board.members) for name in board.order}
    always = [name for name, count in leads.items() if count == n]
    if not always:
        return f"No strategy is in the leading group of all {n} settings."
    if len(always) == len(board.order):
        return f"No two strategies differ significantly in any of the {n} settings."
    return f"In the leading group of all {n} settings: {sentence_list(always)}."


def _over(board: TrackBoard) -> str:
    if board.ranking is None:
        n = len(board.datasets)
        have = "one data set is" if n == 1 else f"{n} data sets are"
        return (
            f"{have.capitalize()} too few for a ranking test or a critical-difference diagram: with fewer than "
            f"{FEWEST_DATASETS}, no pair could differ significantly."
        )
    p = "" if math.isnan(board.ranking.friedman) else f" Friedman’s test: {p_equals(board.ranking.friedman)}."
    return f"{board.ranking.n_datasets} data sets; the settings of each are averaged first.{p}"


def _heat(board: TrackBoard) -> dict[str, object] | None:
    penalty = board.penalty
    if len(penalty.names) < 2:
        return None
    names = [name for name in board.order if name in penalty.names]
    at = [penalty.names.index(name) for name in names]

    def cell(share: float) -> tuple[str, int]:
        return (number(share, 2) if share else "0"), min(9, math.ceil(9 * share)) if share > 0 else 0

    lines = [[("", 0) if i == j else cell(float(penalty.wins[i, j]) / penalty.n_settings) for j in at] for i in at]
    feet = [
        (label, [cell(float(of.penalties[j])) for j in at])
        for label, of in (("penalty", penalty), ("penalty, Holm", board.penalty_adjusted))
    ]
    return {"names": names, "lines": lines, "feet": feet, "n_settings": penalty.n_settings}


def data_rows(site: Site) -> list[dict[str, object]]:
    """What the page of downloads says of each board."""
    return [
        {
            "title": board.meta.title,
            "anchor": slug(board.suite),
            "about": f"Suite {board.suite}, {sum(s.n_runs for s in board.settings)} valid runs, ranked by "
            f"{board.meta.metric}, budget {_budgets(board)}.",
        }
        for board in site.boards
    ]


def _budgets(board: Board) -> str:
    ends = sorted({(grid[0], grid[-1]) for grid in board.meta.budgets.values()})
    return sentence_list([f"{amount(first)} to {amount(last)}" for first, last in ends])
