"""The page that sets ways of training against ways of choosing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np

from labelbench_plus.leaderboard.board import Board
from labelbench_plus.leaderboard.combinations import Combination, Group, groups, table_of
from labelbench_plus.leaderboard.formatting import in_words, number
from labelbench_plus.leaderboard.matrix import level_of, scale_of
from labelbench_plus.leaderboard.site.pages import TITLE
from labelbench_plus.leaderboard.site.render import Page, render
from labelbench_plus.leaderboard.site.tables import table_view
from labelbench_plus.leaderboard.statistics import ALPHA, Estimate
from labelbench_plus.leaderboard.titles import Titles, distinct

PATH = "combinations.html"
AS_CALLED: Mapping[str, str] = {}
UNTITLED = Titles()


@dataclass(frozen=True)
class HeatCell:
    """A cell: its text, its colour, what a pointer is told."""

    text: str
    kind: str = ""
    said: str = ""


@dataclass(frozen=True)
class Heat:
    """Strategies × trainers: the heading, columns by name, rows by name with their cells; the last of each the mean."""

    heading: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[HeatCell, ...]], ...]


def combinations_page(
    boards: Sequence[Board], trainers: Mapping[str, str] = AS_CALLED, titles: Titles = UNTITLED
) -> dict[str, bytes]:
    """The page by its path; nothing where no board has two trainers on one problem.

    Parameters
    ----------
    trainers: the label of each trainer, where boards call it something else: among few, a shorter name is enough.
    titles: what labels are called.
    """
    parts: list[dict[str, Any]] = []
    found = [(board, group) for board in boards for group in groups(board)]
    of_board = Counter(board.suite for board, _ in found)
    for board, whole in sorted(found, key=lambda each: -_strategies(each[1])):  # those that choose come first
        meta = board.meta
        group = _shortened(whole, trainers, titles)
        anchor, alone = f"combination-{len(parts) + 1}", of_board[board.suite] == 1
        heading = meta.title if alone else f"{meta.title}: {group.problem}"
        pairs = group.pairs(meta.baseline)
        view = table_view(table_of(pairs), f"{anchor}-table", heading, meta.higher_is_better, "", details=True)
        parts.append(
            {
                "anchor": anchor,
                "title": heading,
                "board": meta.title,
                "problem": "" if alone else group.problem,
                "neither": f"{group.reference} with {meta.baseline}",
                "metric": in_words(meta.metric),
                "best": best_pair(pairs, group, meta.baseline),
                "heats": heats(pairs, group, meta.baseline),
                "view": view,
            }
        )
    if not parts:
        return {}
    crumbs = (("index.html", "Overview"), ("", "Choosing × training"))
    contents = [(board, list(of)) for board, of in groupby(parts, key=lambda part: part["board"])]
    page = Page(PATH, f"Choosing × training · {TITLE}", "Choosing × training", crumbs)
    return {PATH: render("combinations", page, parts=parts, contents=contents, alpha=f"{ALPHA:g}")}


def _strategies(group: Group) -> int:
    return len({name for setting in group.settings for name in setting.areas})


def _shortened(group: Group, trainers: Mapping[str, str], titles: Titles) -> Group:
    """A group with the shortest names that tell its trainers apart."""
    labels = {setting.trainer: trainers.get(setting.trainer, setting.trainer) for setting in group.settings}
    short = distinct({label: titles.trainer(label) for label in labels.values()})
    settings = tuple(replace(s, trainer=short[labels[s.trainer]].whole) for s in group.settings)
    return Group(group.problem, settings, short[labels[group.reference]].whole)


def best_pair(pairs: Sequence[Combination], group: Group, baseline: str) -> str:
    """The pair with the best mean in a sentence: what it gains, what its halves gain alone, and what beyond them."""
    best = pairs[0]
    told = f"Best pair: {best.strategy} with {best.trainer}"
    if best.over_neither is None:
        return f"{told}, the plainest of all: nothing gains on it."
    sure = "significantly" if best.p_over_neither <= ALPHA else "not significantly"
    told += f", {_interval(best.over_neither)} over {baseline} with {group.reference}, {sure} after Holm over all pairs"
    alone = {(pair.trainer, pair.strategy): pair.over_neither for pair in pairs}
    choosing, training = alone.get((group.reference, best.strategy)), alone.get((best.trainer, baseline))
    if best.beyond_sum is None or choosing is None or training is None:
        return f"{told}."
    beyond = "" if best.p_beyond <= ALPHA else ", not significantly"
    return (
        f"{told}. Choosing alone gains {_number(choosing)}, training alone {_number(training)}; the pair gains "
        f"{_interval(best.beyond_sum)} beyond their sum{beyond}."
    )


def heats(pairs: Sequence[Combination], group: Group, baseline: str) -> tuple[Heat, ...]:
    """What each pair gains over neither half, and how much of it is beyond the sum of its halves."""
    names = sorted({pair.strategy for pair in pairs}, key=_mean_of("strategy", pairs), reverse=True)
    trainers = sorted({pair.trainer for pair in pairs}, key=_mean_of("trainer", pairs), reverse=True)
    if baseline in names:
        names = [*(name for name in names if name != baseline), baseline]
    found = [
        _heat(
            f"Gain over {baseline} with {group.reference}",
            {(p.strategy, p.trainer): (p.over_neither, p.p_over_neither) for p in pairs},
            names,
            trainers,
        )
    ]
    if any(pair.beyond_sum is not None for pair in pairs):
        rest = [name for name in trainers if name != group.reference]
        interaction = {(p.strategy, p.trainer): (p.beyond_sum, p.p_beyond) for p in pairs}
        found.append(
            _heat("Beyond the sum of its halves", interaction, [name for name in names if name != baseline], rest)
        )
    return tuple(found)


def _heat(
    heading: str,
    cells: dict[tuple[str, str], tuple[Estimate | None, float]],
    names: Sequence[str],
    trainers: Sequence[str],
) -> Heat:
    estimates = [estimate for estimate, _ in cells.values() if estimate is not None]
    power, decimals, strongest = scale_of(estimates)

    def shown(value: float) -> str:
        return number(value * 10**power, decimals, signed=True)

    def cell(name: str, trainer: str) -> HeatCell:
        estimate, p = cells.get((name, trainer), (None, 1.0))
        if estimate is None:
            return HeatCell("0" if (name, trainer) in cells else "")
        level = level_of(estimate.mean, strongest)
        kind = f"{'p' if level > 0 else 'n'}{abs(level)}" if level else ""
        interval = f"95 %: {shown(estimate.low)} to {shown(estimate.high)}, {estimate.n} seeds"
        return HeatCell(
            shown(estimate.mean) + "*" * (p <= ALPHA),
            kind,
            f"{name} with {trainer}: {shown(estimate.mean)} ({interval})",
        )

    def mean(keys: Sequence[tuple[str, str]]) -> HeatCell:
        there = [0.0 if (of := cells[key][0]) is None else of.mean for key in keys if key in cells]
        return HeatCell(shown(float(np.mean(there))) if len(there) == len(keys) else "")

    rows = [
        (name, (*(cell(name, trainer) for trainer in trainers), mean([(name, trainer) for trainer in trainers])))
        for name in names
    ]
    foot = (*(mean([(name, trainer) for name in names]) for trainer in trainers), HeatCell(""))
    times = f", × {10**power:,}" if power else ""
    return Heat(heading + times, (*trainers, "mean"), (*rows, ("mean", foot)))


def _mean_of(half: str, pairs: Sequence[Combination]) -> Callable[[str], tuple[float, str]]:
    def key(name: str) -> tuple[float, str]:
        gains = [pair.over_neither for pair in pairs if getattr(pair, half) == name]
        return float(np.mean([0.0 if gain is None else gain.mean for gain in gains])), name

    return key


def _number(value: Estimate) -> str:
    return number(value.mean, 4, signed=True)


def _interval(value: Estimate) -> str:
    return f"{_number(value)} (95 %: {number(value.low, 4, signed=True)} to {number(value.high, 4, signed=True)})"
