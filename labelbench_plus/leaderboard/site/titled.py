"""Boards as pages show them: everything worked out under labels, then called by titles.

What is computed never depends on titles: numbers are those of the boards that archives and downloads come from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from labelbench_plus.leaderboard.board import Board
from labelbench_plus.leaderboard.facets import FacetComparison
from labelbench_plus.leaderboard.setting import BoardSetting, Curve, columns_of
from labelbench_plus.leaderboard.statistics import PairwiseTests, PenaltyMatrix
from labelbench_plus.leaderboard.table import Column, Table
from labelbench_plus.leaderboard.titles import Titles, distinct
from labelbench_plus.leaderboard.tracks import TrackBoard, columns_of_track

V = TypeVar("V")


@dataclass(frozen=True)
class Called:
    """What each label of a site is called, no two of a kind alike; of facets, by facet and value. `exact`: the label
    behind the name of a strategy."""

    strategies: Mapping[str, str]
    problems: Mapping[str, str]
    trainers: Mapping[str, str]
    facets: Mapping[str, Mapping[str, str]]
    titles: Titles

    @property
    def exact(self) -> dict[str, str]:
        """The label of each strategy, by what it is called."""
        return {name: label for label, name in self.strategies.items()}


def called(boards: Sequence[Board], titles: Titles) -> Called:
    """Names for all that stands on some boards."""
    settings = [setting for board in boards for setting in board.settings]
    strategies = {name for setting in settings for name in setting.table.names()}
    strategies.update(board.meta.baseline for board in boards)
    return Called(
        {label: said.whole for label, said in distinct({one: titles.strategy(one) for one in strategies}).items()},
        {one: said.whole for one, said in distinct({s.problem: titles.problem(s.problem) for s in settings}).items()},
        {one: said.whole for one, said in distinct({s.trainer: titles.trainer(s.trainer) for s in settings}).items()},
        {facet: _facet(facet, settings, titles) for facet in {facet for s in settings for facet in s.about.facets}},
        titles,
    )


def titled(board: Board, names: Called) -> Board:
    """A board, called by titles."""
    meta = board.meta
    renamed = replace(
        meta,
        baseline=names.strategies[meta.baseline],
        budgets=_keys(meta.budgets, names.problems),
        slack=_keys(meta.slack, names.problems),
        problems=_keys(meta.problems, names.problems),
        titles={},
        bounds=tuple(names.strategies.get(name, name) for name in meta.bounds),
    )
    columns = {column.key: column for column in columns_of(renamed)}
    return replace(board, meta=renamed, settings=tuple(_setting(setting, names, columns) for setting in board.settings))


def titled_track(track: TrackBoard, now: Mapping[int, tuple[Board, BoardSetting]], names: Called) -> TrackBoard:
    """A track, called by titles.

    Parameters
    ----------
    now: by the identity of a setting, its board and itself as they are called.
    """
    of, called_so = track.track, names.strategies
    facets = [f"{facet}: {names.facets.get(facet, {}).get(value, value)}" for facet, value in of.facets]
    task, budget = of.task.replace("_", " ").capitalize(), f"up to {of.budget:,.0f} {of.unit}"
    heading = " · ".join([task, names.trainers[of.trainer], *facets, budget])
    renamed = replace(of, baseline=called_so[of.baseline], trainer=names.trainers[of.trainer], heading=heading)
    columns = {column.key: column for column in columns_of_track(renamed, len(track.members), track.measure)}
    return replace(
        track,
        track=renamed,
        members=tuple(now[id(setting)] for _, setting in track.members),
        table=_table(track.table, called_so, columns),
        order=tuple(called_so[name] for name in track.order),
        ranking=replace(track.ranking, names=tuple(called_so[name] for name in track.ranking.names))
        if track.ranking
        else None,
        penalty=_penalty(track.penalty, called_so),
        penalty_adjusted=_penalty(track.penalty_adjusted, called_so),
        profiles=_keys(track.profiles, called_so),
    )


def titled_facet(one: FacetComparison, now: Mapping[int, tuple[Board, BoardSetting]], names: Called) -> FacetComparison:
    """A comparison along one facet, called by titles; the facet's values are, where they are plugins."""
    values = names.facets[one.facet]
    return replace(
        one,
        problem=names.problems.get(one.problem) or names.titles.problem(one.problem).listed,
        trainer=names.trainers[one.trainer],
        baseline=names.strategies[one.baseline],
        values=tuple(values[value] for value in one.values),
        roles=_keys(one.roles, values),
        gains=tuple(
            replace(gain, value=values[gain.value], strategy=names.strategies[gain.strategy]) for gain in one.gains
        ),
        settings={
            values.get(value, value): tuple(now[id(setting)][1] for setting in settings)
            for value, settings in one.settings.items()
        },
    )


def _setting(setting: BoardSetting, names: Called, columns: Mapping[str, Column]) -> BoardSetting:
    so = names.strategies
    problem, trainer = names.problems[setting.problem], names.trainers[setting.trainer]
    return replace(
        setting,
        problem=problem,
        trainer=trainer,
        runs=replace(
            setting.runs,
            problem=problem,
            trainer=trainer,
            runs=_keys(setting.runs.runs, so),
            bounds=_keys(setting.runs.bounds, so),
        ),
        table=_table(setting.table, so, columns),
        curves=tuple(Curve(so[curve.strategy], curve.points) for curve in setting.curves),
        gain_curves=tuple(Curve(so[curve.strategy], curve.points) for curve in setting.gain_curves),
        gains=tuple((so[name], gain) for name, gain in setting.gains),
        savings=_keys(setting.savings, so),
        saving_curves=_keys(setting.saving_curves, so),
        areas=_keys(setting.areas, so),
        finals=_keys(setting.finals, so),
        averaged_areas=_keys(setting.averaged_areas, so),
        tests=_tests(setting.tests, so),
        penalty=_penalty(setting.penalty, so),
        penalty_adjusted=_penalty(setting.penalty_adjusted, so),
        leaders=tuple(so[name] for name in setting.leaders),
        against_baseline=_keys(setting.against_baseline, so),
        beats_baseline=tuple(so[name] for name in setting.beats_baseline),
        collapses=tuple(replace(each, strategy=so[each.strategy]) for each in setting.collapses),
    )


def _table(table: Table, so: Mapping[str, str], columns: Mapping[str, Column]) -> Table:
    at = next(j for j, column in enumerate(table.columns) if column.kind == "label")
    return Table(
        tuple(columns.get(column.key, column) for column in table.columns),
        tuple((*row[:at], so[str(row[at])], *row[at + 1 :]) for row in table.rows),
    )


def _tests(tests: PairwiseTests, so: Mapping[str, str]) -> PairwiseTests:
    return replace(tests, names=tuple(so[name] for name in tests.names))


def _penalty(penalty: PenaltyMatrix, so: Mapping[str, str]) -> PenaltyMatrix:
    return replace(penalty, names=tuple(so[name] for name in penalty.names))


def _keys(of: Mapping[str, V], so: Mapping[str, str]) -> dict[str, V]:
    return {so.get(name, name): value for name, value in of.items()}


def _facet(facet: str, settings: Sequence[BoardSetting], titles: Titles) -> dict[str, str]:
    """What the values of a facet are called."""
    values = {setting.about.facets[facet] for setting in settings if facet in setting.about.facets}
    return {value: said.whole for value, said in distinct({v: titles.facet(facet, v) for v in values}).items()}
