"""index.html: the question, how much there is, what was found, and the matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from labelbench_plus.leaderboard.claims import Claim, Names, claims
from labelbench_plus.leaderboard.formatting import in_words, sentence_list
from labelbench_plus.leaderboard.matrix import Matrix
from labelbench_plus.leaderboard.site.matrix_view import MatrixView, distinct_settings, matrix_view, title_of
from labelbench_plus.leaderboard.site.pages import TITLE, Site, track_view
from labelbench_plus.leaderboard.site.render import Page, render
from labelbench_plus.leaderboard.statistics import ALPHA
from labelbench_plus.leaderboard.titles import distinct

PLURALS = {"strategy": "strategies"}
FEW_TRACKS = 3  # their rankings stand on the front page whole


def matrix_views(site: Site, matrices: Sequence[Matrix]) -> list[MatrixView]:
    """The parts of the matrix; those that share a title say what they are in."""
    titles = [title_of(matrix) for matrix in matrices]
    return [
        matrix_view(
            matrix,
            site.names.titles,
            lambda setting: site.member_of(setting).href,
            lambda label: site.strategy_href(site.names.strategies[label]),
            f", {in_words(matrix.metric)}" if titles.count(title) > 1 else "",
        )
        for matrix, title in zip(matrices, titles, strict=True)
    ]


def front_page(
    site: Site,
    matrices: Sequence[Matrix],
    parts: Sequence[MatrixView],
    reported: Sequence[str] = (),
    *,
    combined: bool = False,
) -> bytes:
    """The first page of a site.

    Parameters
    ----------
    parts: the matrices in words. reported: the titles of what stands on a page of its own. combined: whether there is
        a page of trainers that combine.
    """
    found = claims(matrices, {matrix: _names(site, matrix) for matrix in matrices})
    whole = dict(zip(matrices, parts, strict=True))
    heading = site.boards[0].meta.title if len(site.boards) == 1 else TITLE
    return render(
        "index",
        Page("index.html", TITLE, heading),
        tracks=[track_view(site, each, details=False) for each in site.tracks],
        few=FEW_TRACKS,
        notes=[f"{board.meta.title}: {note}" for board in site.boards for note in board.notes],
        counts=_counts(site),
        parts=parts if len(site.members) > 1 else (),
        claims=[_claim(claim, whole) for claim in found] if len(site.members) > 1 else (),
        reported=sentence_list(reported),
        combined=combined,
        facets=sentence_list(sorted({one.facet for one in site.facets})),
        alpha=f"{ALPHA:g}",
    )


def _counts(site: Site) -> str:
    settings = [member.setting for member in site.members]
    seeds = [len(by_seed) for setting in settings for by_seed in setting.areas.values()]
    numbers = [
        (sum(setting.n_runs for setting in settings), "run"), (len(settings), "setting"),
        (len(site.strategies), "strategy"), (len({setting.trainer for setting in settings}), "trainer"),
        (len({setting.about.dataset for setting in settings}), "data set"),
    ]  # fmt: skip
    counts = [f"{n:,} {word if n == 1 else PLURALS.get(word, word + 's')}" for n, word in numbers]
    if seeds:
        counts.append(f"{min(seeds)} to {max(seeds)} seeds" if min(seeds) < max(seeds) else f"{max(seeds)} seeds")
    return " · ".join(counts)


def _names(site: Site, matrix: Matrix) -> Names:
    problems, trainers = distinct_settings(matrix, site.names.titles)
    settings = [column.setting for column in matrix.columns]
    named = distinct({name: site.names.titles.strategy(name) for name in matrix.strategies})
    return Names(
        {label: said.whole for label, said in named.items()},
        [
            f"{problems[s.problem].whole}, {trainers[s.trainer].whole}"
            if len(trainers) > 1
            else problems[s.problem].whole
            for s in settings
        ],
        title_of(matrix),
        in_words(matrix.metric),
    )


def _claim(claim: Claim, parts: Mapping[Matrix, MatrixView]) -> dict[str, Any]:
    part = parts[claim.matrix]
    return {"effect": claim.effect, "text": claim.text, "href": part.columns[claim.columns[0]].href}
