"""The matrix: what every strategy gains over the baseline in every setting, by what the settings ask.

A cell is the paired gain in AUBC with its t-interval, as on the page of its setting, and whether it differs from the
baseline: a paired t-test over common seeds, Holm-adjusted over all comparisons with the baseline in that setting.
Settings share a part where task, metric, direction and baseline are the same and their boards ask the same question:
which strategy is best, with which trainer (a board with several trainers on one problem), or what one facet does (a
board that varies one). Only the settings of a part have a common unit, so only they share a colour scale; where the
metric is in a unit of the data's own, not even they do. Standing is a mean rank that gaps do not distort: the share of
the other strategies of a setting that do better, averaged over the settings of a data set, then over data sets; 0 means
always first.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from labelbench_plus.leaderboard.board import Board
from labelbench_plus.leaderboard.facets import FacetComparison
from labelbench_plus.leaderboard.setting import BoardSetting
from labelbench_plus.leaderboard.statistics import ALPHA, Estimate
from labelbench_plus.leaderboard.titles import knows_truth
from labelbench_plus.leaderboard.tracks import decade_of

CHOICE, TRAINING = "", "training"
ORDER = {CHOICE: 0, TRAINING: 1}
LEVELS = 9  # of colour, on either side of zero
MOST_DIGITS = 3
QUANTILE = 0.9  # of the sizes of gains in one unit: from there on colours are at their strongest


@dataclass(frozen=True)
class Gain:
    """One cell: `estimate` of the gain over the baseline, and `p` of the comparison, NaN of a bound and of no test."""

    estimate: Estimate
    p: float

    @property
    def better(self) -> bool:
        """Whether it is significantly better than the baseline."""
        return self.p <= ALPHA and self.estimate.mean > 0

    @property
    def worse(self) -> bool:
        """Whether it is significantly worse."""
        return self.p <= ALPHA and self.estimate.mean < 0


@dataclass(frozen=True, eq=False)
class MatrixColumn:
    """A setting. Its gains are shown times 10 to the `power`, with `decimals`; `strongest` is the gain, in its own
    unit, at which colours end."""

    board: Board
    setting: BoardSetting
    power: int
    decimals: int
    strongest: float

    def level(self, gain: float) -> int:
        """How strong the colour of a gain is: 0 for none, up to ± `LEVELS`."""
        return level_of(gain, self.strongest)

    @property
    def decade(self) -> float:
        """The decade of its budget."""
        return decade_of(self.setting.budgets[-1])


@dataclass(frozen=True, eq=False)
class Matrix:
    """One part of the matrix. `asks`: `CHOICE`, `TRAINING` or the name of a facet. `cells`: by strategy and number of
    the column; a strategy that was not run there has none. `standing`: by strategy, of those with two settings or more
    to stand in; bounds have none. `own_units`: whether every column has a scale of its own."""

    task: str
    asks: str
    metric: str
    higher_is_better: bool
    baseline: str
    own_units: bool
    columns: tuple[MatrixColumn, ...]
    strategies: tuple[str, ...]
    bounds: frozenset[str]
    cells: Mapping[tuple[str, int], Gain]
    standing: Mapping[str, float]

    def row(self, strategy: str) -> tuple[Gain | None, ...]:
        """The cells of a strategy, column by column."""
        return tuple(self.cells.get((strategy, i)) for i in range(len(self.columns)))

    def column(self, number: int) -> dict[str, Gain]:
        """The cells of a setting, by strategy."""
        return {name: self.cells[name, number] for name in self.strategies if (name, number) in self.cells}


def matrices(boards: Sequence[Board], facets: Sequence[FacetComparison]) -> tuple[Matrix, ...]:
    """All parts: those that ask for the choice alone before others of their task, those with most gains first."""
    parts: dict[tuple[str, str, str, bool, str], list[tuple[Board, BoardSetting]]] = {}
    for board in boards:
        asks = _asks(board, facets)
        for setting in board.settings:
            if setting.gains:
                key = (setting.about.task, asks, board.meta.metric, board.meta.higher_is_better, board.meta.baseline)
                parts.setdefault(key, []).append((board, setting))
    found = [_matrix(*key, members) for key, members in parts.items()]
    size = {task: max(len(m.strategies) for m in found if m.task == task) for task in {m.task for m in found}}
    return tuple(
        sorted(found, key=lambda m: (-size[m.task], m.task, ORDER.get(m.asks, 2), -len(m.cells), m.asks, m.metric))
    )


def _asks(board: Board, facets: Sequence[FacetComparison]) -> str:
    inside = set(board.settings)
    for one in facets:
        if sum(bool(inside.intersection(of)) for of in one.settings.values()) > 1:
            return one.facet
    problems = {setting.problem for setting in board.settings if setting.gains}
    return TRAINING if len([s for s in board.settings if s.gains]) > len(problems) else CHOICE


def _matrix(
    task: str,
    asks: str,
    metric: str,
    higher_is_better: bool,
    baseline: str,
    members: Sequence[tuple[Board, BoardSetting]],
) -> Matrix:
    cells: dict[tuple[str, int], Gain] = {}
    bounds: set[str] = set()
    for i, (board, setting) in enumerate(members):
        told = {name for name in setting.areas if knows_truth(name)}
        bounds.update(setting.runs.bounds, told)
        for name, gain in setting.gains:
            tested = not setting.about.knows_truth and name not in told
            cells[name, i] = Gain(gain, setting.against_baseline.get(name, math.nan) if tested else math.nan)
        cells |= {(name, i): Gain(gain, math.nan) for name, gain in _gains_of_bounds(board, setting).items()}
    own_units = any(setting.about.averaged for _, setting in members)
    groups = [[i] for i in range(len(members))] if own_units else [list(range(len(members)))]
    columns: dict[int, MatrixColumn] = {}
    for group in groups:
        gains = [cells[key].estimate for key in cells if key[1] in set(group)]
        power, decimals, strongest = scale_of(gains, own_units)
        columns |= {i: MatrixColumn(*members[i], power, decimals, strongest) for i in group}
    standing = _standing([setting for _, setting in members], bounds)
    names = {name for name, _ in cells} | {baseline}
    means = {
        name: float(np.mean([g.estimate.mean for (n, _), g in cells.items() if n == name] or [0])) for name in names
    }
    order = sorted(names, key=lambda name: (standing.get(name, math.inf), -means[name], name))
    return Matrix(
        task, asks, metric, higher_is_better, baseline, own_units, tuple(columns[i] for i in range(len(members))),
        tuple(order), frozenset(bounds), cells, standing,
    )  # fmt: skip


def _gains_of_bounds(board: Board, setting: BoardSetting) -> dict[str, Estimate]:
    at = [column.key for column in setting.table.columns].index("gain")
    rows = dict(zip(setting.table.names(), setting.table.rows, strict=True))
    found = {name: rows[name][at] for name in setting.runs.bounds}
    return {name: gain for name, gain in found.items() if isinstance(gain, Estimate)}


def level_of(gain: float, strongest: float) -> int:
    """How strong the colour of a gain is where `strongest` has the strongest: 0 for none, up to ± `LEVELS`."""
    if not strongest or gain == 0:
        return 0
    return int(math.copysign(min(LEVELS, math.ceil(LEVELS * abs(gain) / strongest)), gain))


def scale_of(gains: Sequence[Estimate], own_units: bool = False) -> tuple[int, int, float]:
    """Power of ten, decimals and the gain of the strongest colour, of gains in one unit; no power in the data's own."""
    sizes = [abs(gain.mean) for gain in gains if gain.mean != 0]
    if not sizes:
        return 0, 0, 0.0
    largest, strongest = max(sizes), float(np.quantile(sizes, QUANTILE))
    power = 0 if largest >= 1 or own_units else 2 if largest >= 0.01 else math.ceil(-math.log10(largest))
    digits = math.floor(math.log10(largest * 10**power) + 1e-12) + 1
    return power, max(0, min(2 if digits > 0 else MOST_DIGITS, MOST_DIGITS - digits)), strongest


def _standing(settings: Sequence[BoardSetting], bounds: Collection[str]) -> dict[str, float]:
    shares: dict[str, dict[str, list[float]]] = {}
    for setting in settings:
        if setting.about.knows_truth or len(setting.areas) < 2:
            continue
        sign = 1 if setting.higher_is_better else -1
        means = {name: sign * float(np.mean(list(by_seed.values()))) for name, by_seed in setting.areas.items()}
        for name, mean in means.items():
            above = sum(other > mean for other in means.values()) / (len(means) - 1)
            shares.setdefault(name, {}).setdefault(setting.about.dataset, []).append(above)
    return {
        name: float(np.mean([np.mean(of) for of in by_dataset.values()]))
        for name, by_dataset in shares.items()
        if name not in bounds and sum(map(len, by_dataset.values())) > 1
    }
