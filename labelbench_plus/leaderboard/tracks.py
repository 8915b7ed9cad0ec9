"""Tracks: results that may share a table, and what can be said over all settings of a track.

A track is data: task, unit and decade of the budget, metric and its direction, baseline, trainer, and whatever else the
problems declare as facets. There is no branch for a family of methods: a new one brings its own declaration.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from labelbench_plus.leaderboard.board import Board
from labelbench_plus.leaderboard.runs import BADGES, BoardMeta
from labelbench_plus.leaderboard.setting import HEADLINE_SHARE, BoardSetting, columns_of
from labelbench_plus.leaderboard.statistics import (
    FEWEST_DATASETS,
    SHARES,
    Beaten,
    Estimate,
    PenaltyMatrix,
    RankingOverDatasets,
    Saving,
    datasets_beaten,
    interquartile_mean,
    mean_over_datasets,
    performance_profile,
    probability_of_improvement,
    ranking_over_datasets,
    total_penalty,
)
from labelbench_plus.leaderboard.statistics.aggregates import FEWEST_VALUES
from labelbench_plus.leaderboard.table import Cell, Column, Table

THRESHOLDS = 25


@dataclass(frozen=True)
class Track:
    """Conditions under which results may be compared. `budget` is the decade that the whole budget lies in; `averaged`
    the score that stands for `metric` in averages over data sets."""

    task: str
    unit: str
    budget: float
    metric: str
    higher_is_better: bool
    baseline: str
    trainer: str
    facets: tuple[tuple[str, str], ...]
    averaged: str
    heading: str = ""

    @property
    def name(self) -> str:
        """The conditions as a heading, unless it has another name."""
        if self.heading:
            return self.heading
        facets = [f"{name} {value}" for name, value in self.facets]
        return " · ".join([self.task, f"up to {self.budget:,.0f} {self.unit}", *facets, self.trainer])


@dataclass(frozen=True, eq=False)
class TrackBoard:
    """What is said over all settings of a track.

    `members`: the settings, each with its board. `table`: one row a strategy. `order`: strategies as in the table,
    those with a valid run. `ranking`: over data sets, None where these are too few. `profiles`: strategy -> share above
    each of `thresholds`, empty where there are too few values for any.
    """

    track: Track
    members: tuple[tuple[Board, BoardSetting], ...]
    datasets: tuple[str, ...]
    table: Table
    order: tuple[str, ...]
    ranking: RankingOverDatasets | None
    penalty: PenaltyMatrix
    penalty_adjusted: PenaltyMatrix
    thresholds: tuple[float, ...]
    profiles: Mapping[str, tuple[Estimate, ...]]

    @property
    def measure(self) -> str:
        """The score that its gains are in."""
        return measure_of(self.track, [setting for _, setting in self.members])


def track_of(setting: BoardSetting, meta: BoardMeta) -> Track:
    """The track that a setting belongs to."""
    bound = {"bound": "knows the truth"} if setting.about.knows_truth else {}  # shares no table with what must learn it
    return Track(
        task=setting.about.task,
        unit=setting.unit,
        budget=decade_of(setting.budgets[-1]),
        metric=meta.metric,
        higher_is_better=meta.higher_is_better,
        baseline=meta.baseline,
        trainer=setting.trainer,
        facets=tuple(sorted({**setting.about.facets, **bound}.items())),
        averaged=meta.averaged(setting.problem),
    )


def decade_of(budget: float) -> float:
    """The power of ten that a budget stays within."""
    return 10 ** math.ceil(math.log10(budget) - 1e-9) if budget > 0 else 0


def gather(boards: Sequence[Board]) -> tuple[TrackBoard, ...]:
    """All settings of all boards, by track: by task, unit, budget, and whatever else tells them apart."""
    members: dict[Track, list[tuple[Board, BoardSetting]]] = {}
    for board in boards:
        for setting in board.settings:
            members.setdefault(track_of(setting, board.meta), []).append((board, setting))
    return tuple(_track_board(track, members[track]) for track in sorted(members, key=_track_order))


def _track_order(track: Track) -> tuple[str, str, float, str, str]:
    return track.task, track.unit, track.budget, track.name, track.metric


def gains_by_dataset(settings: Sequence[BoardSetting], strategy: str, other: str) -> dict[str, NDArray[np.float64]]:
    """Gains in AUBC of `strategy` over `other`, for each data set that has both: (seeds,).

    The settings of a data set are averaged seed by seed, over the seeds that all of them have. Where there are several
    data sets, gains are in what may be averaged over them.
    """
    averaged = several_datasets(settings)
    by_dataset: dict[str, list[dict[int, float]]] = {}
    for setting in settings:
        if strategy in setting.areas and other in setting.areas:
            by_seed = setting.gains_by_seed(strategy, other, averaged=averaged)
            by_dataset.setdefault(setting.about.dataset, []).append(by_seed)
    gains = {}
    for dataset, of_settings in sorted(by_dataset.items()):
        seeds = sorted(set.intersection(*(set(by_seed) for by_seed in of_settings)))
        if seeds:
            gains[dataset] = np.array([[by_seed[seed] for by_seed in of_settings] for seed in seeds]).mean(axis=1)
    return gains


def several_datasets(settings: Sequence[BoardSetting]) -> bool:
    """Whether settings lie on more than one data set."""
    return len({setting.about.dataset for setting in settings}) > 1


def measure_of(track: Track, settings: Sequence[BoardSetting]) -> str:
    """The score that gains in some of a track's settings are in."""
    return track.averaged if several_datasets(settings) else track.metric


def columns_of_track(track: Track, settings: int, measure: str) -> tuple[Column, ...]:
    """The columns of a track's table: of one setting, or over several; gains are in `measure`."""
    gain = next(column for column in columns_of(_meta_of(track)) if column.key == "gain")
    if settings == 1:
        rank = columns_of(_meta_of(track))[0]
    else:
        rank = Column(
            "leads",
            "leads in",
            "count",
            f"in how many of the {settings} settings it is in the leading group, with none significantly better",
        )
    over = " over data sets, each counted once" if settings > 1 else ""
    unit = f"; in {measure}, since every data set has its own unit of {track.metric}" if measure != track.metric else ""
    return (
        rank,
        Column("strategy", "strategy", "label", "how labels were chosen"),
        Column("gain", gain.label, "gain", gain.about + over + unit),
        Column(
            "improvement",
            f"P(better than {track.baseline})",
            "share",
            "share of seeds at which its AUBC is better" + over + ", with a 95 % interval",
        ),
        *_beaten_columns(track, settings),
        Column(
            "saving",
            "saved",
            "saving",
            f"share of the budget saved in reaching {HEADLINE_SHARE:.0%} of the final {track.metric} of "
            f"{track.baseline}".replace("%", " %")
            + ("; the (lower) median over settings" if settings > 1 else ", with a 95 % interval where one is defined")
            + "; “> B”: not reached within the budget B",
        ),
        Column("worst", "worst gain", "gain", "its smallest mean gain in any setting", detail=settings == 1),
        Column("iqm", "IQM gain", "gain", "interquartile mean of gains, from twenty values on", detail=True),
        Column(
            "penalty",
            "penalty",
            "share",
            "how often it is beaten (column mean of the pairwise penalty matrix); lower is better",
        ),
        Column(
            "select_seconds", "select (s)", "seconds", "seconds spent on selection in a whole run, mean over settings"
        ),
        Column("settings", "settings", "count", "settings in which it has valid runs", detail=True),
        Column("seeds", "seeds", "count", "the fewest seeds it has in any setting"),
        Column("badge", "trust", "text", f"the lowest of its runs’ badges: {', '.join(BADGES)}"),
    )


def _beaten_columns(track: Track, settings: int) -> tuple[Column, ...]:
    """On how many data sets it beats the baseline, and loses to it; where there is one, that setting's page says so."""
    if settings == 1:
        return ()
    about = (
        f"data sets on which its AUBC is significantly {{}} than that of {track.baseline}: paired t-test over seeds, "
        "Holm over the strategies on that data set, nothing over data sets"
    )
    return (
        Column("beats", f"beats {track.baseline} on", "count", about.format("better")),
        Column("loses", f"loses to {track.baseline} on", "count", about.format("worse"), detail=True),
    )


def _track_board(track: Track, members: Sequence[tuple[Board, BoardSetting]]) -> TrackBoard:
    settings = [setting for _, setting in members]
    names = sorted({name for setting in settings for name in setting.runs.runs})  # bounds are in no comparison
    ran = [name for name in names if any(name in setting.areas for setting in settings)]
    by_dataset = {name: gains_by_dataset(settings, name, track.baseline) for name in ran if name != track.baseline}
    gains = {name: list(of_strategy.values()) for name, of_strategy in by_dataset.items()}
    beaten = datasets_beaten(by_dataset)
    penalty = total_penalty([setting.penalty for setting in settings])
    rows = {name: _row(track, members, name, gains.get(name, []), penalty, beaten.get(name)) for name in names}
    columns = columns_of_track(track, len(settings), measure_of(track, settings))

    def reading_order(name: str) -> tuple[float | str, ...]:
        if len(settings) == 1:
            return (settings[0].table.names().index(name),)
        gain = rows[name].get("gain")
        mean = gain.mean if isinstance(gain, Estimate) else 0.0 if name == track.baseline else -math.inf
        return (-mean, name)

    order = sorted(names, key=reading_order)
    most = max((sum(map(len, values)) for values in gains.values()), default=0)
    thresholds = _thresholds([value for values in gains.values() for value in values])
    profiles = {
        name: performance_profile(gains[name], np.array(thresholds), _rng(track, name))
        for name in order
        if gains.get(name) and most >= FEWEST_VALUES
    }
    return TrackBoard(
        track=track,
        members=tuple(members),
        datasets=tuple(sorted({setting.about.dataset for setting in settings})),
        table=Table(columns, tuple(tuple(rows[name].get(column.key) for column in columns) for name in order)),
        order=tuple(name for name in order if name in ran),
        ranking=_ranking(track, settings, ran),
        penalty=penalty,
        penalty_adjusted=total_penalty([setting.penalty_adjusted for setting in settings]),
        thresholds=thresholds,
        profiles=profiles,
    )


def _row(
    track: Track,
    members: Sequence[tuple[Board, BoardSetting]],
    name: str,
    gains: Sequence[NDArray[np.float64]],
    penalty: PenaltyMatrix,
    beaten: Beaten | None,
) -> dict[str, Cell]:
    settings = [setting for _, setting in members if name in setting.areas]
    averaged = several_datasets([setting for _, setting in members])
    row: dict[str, Cell] = {"strategy": name, "settings": len(settings)}
    if not settings:
        return row | {"seeds": 0}
    if len(members) == 1:
        table = settings[0].table
        row["rank"] = table.rows[table.names().index(name)][0]
    else:
        row["leads"] = sum(name in setting.leaders for setting in settings)
    row["seeds"] = min(len(setting.areas[name]) for setting in settings)
    row["badge"] = min(
        (board.meta.badge_of(run.run_id) for board, s in members for run in s.runs.runs.get(name, {}).values()),
        key=BADGES.index,
    )
    if seconds := [value for s in settings if isinstance(value := _cell(s, name, "select_seconds"), float)]:
        row["select_seconds"] = float(np.mean(seconds))
    if name in penalty.names:
        share = float(penalty.penalties[penalty.names.index(name)])
        row["penalty"] = Estimate(share, math.nan, math.nan, penalty.n_settings)
    if beaten is not None and beaten.tested:
        row["beats"], row["loses"] = beaten.better, beaten.worse
    if gains:
        row["gain"] = mean_over_datasets(gains, _rng(track, name))
        row["improvement"] = probability_of_improvement(gains, _rng(track, name))
        iqm = interquartile_mean(gains, _rng(track, name))
        row["iqm"] = iqm if math.isfinite(iqm.mean) else None
        means = [
            float(np.mean([*s.gains_by_seed(name, track.baseline, averaged=averaged).values()]))
            for s in settings
            if dict(s.gains).get(name)
        ]
        row["worst"] = Estimate(min(means), math.nan, math.nan, len(means))
        row["saving"] = _median_saving(settings, name)
    return row


def _median_saving(settings: Sequence[BoardSetting], name: str) -> Saving | None:
    at = SHARES.index(HEADLINE_SHARE)
    found = [saving for s in settings if name in s.savings and (saving := s.savings[name][at]) is not None]
    found.sort(key=lambda saving: (not saving.censored, saving.value))
    return found[(len(found) - 1) // 2] if found else None


def _ranking(track: Track, settings: Sequence[BoardSetting], names: Sequence[str]) -> RankingOverDatasets | None:
    by_dataset: dict[str, list[BoardSetting]] = {}
    for setting in settings:
        by_dataset.setdefault(setting.about.dataset, []).append(setting)
    common = [name for name in names if all(name in setting.areas for setting in settings)]
    if len(by_dataset) < FEWEST_DATASETS or len(common) < 2:
        return None
    values = [
        [float(np.mean([np.mean(list(s.areas[name].values())) for s in of_dataset])) for name in common]
        for of_dataset in by_dataset.values()
    ]
    return ranking_over_datasets(common, np.array(values), track.higher_is_better)


def _thresholds(gains: Sequence[NDArray[np.float64]]) -> tuple[float, ...]:
    if not gains:
        return ()
    pooled = np.concatenate(list(gains))
    return tuple(np.linspace(min(0.0, float(pooled.min())), max(0.0, float(pooled.max())), THRESHOLDS).tolist())


def _cell(setting: BoardSetting, name: str, key: str) -> Cell:
    keys = [column.key for column in setting.table.columns]
    return setting.table.rows[setting.table.names().index(name)][keys.index(key)]


def _meta_of(track: Track) -> BoardMeta:
    return BoardMeta("", track.metric, track.higher_is_better, track.baseline, {})


def _rng(track: Track, name: str) -> Generator:
    return np.random.default_rng(zlib.crc32(f"{track.name}\n{name}".encode()))
