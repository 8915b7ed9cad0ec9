"""Lazy greedy makes the picks of plain greedy, for any objective that keeps its promises."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from labelbench_plus.algorithms.blocks.lazy_greedy import lazy_greedy


class WeightedCover:
    """Σ of the weights of the items covered by the chosen sets, with bounds as loose as asked for."""

    device = torch.device("cpu")
    tolerance = 1e-9

    def __init__(
        self, sets: Tensor, weights: Tensor, slack: float, block: int = 3, patience: int = 1000, tight: bool = False
    ) -> None:
        self.rows = len(sets)
        self.sets, self.weights, self.slack = sets, weights, slack
        self.block, self.patience, self.tight = block, patience, tight
        self.evaluations = 0

    def reset(self) -> None:
        self.open = self.weights.clone()

    def true_gains(self) -> Tensor:
        return self.sets @ self.open

    def sweep(self) -> Tensor:
        return self.true_gains() * (1.0 if self.tight else 1.0 + self.slack)

    def bounds(self, rows: Tensor) -> Tensor:
        self.evaluations += len(rows)
        return self.sweep()[rows]

    def gains(self, rows: Tensor) -> Tensor:
        self.evaluations += len(rows)
        return self.true_gains()[rows]

    def add(self, row: int) -> None:
        self.open[self.sets[row] > 0] = 0


def plain_greedy(sets: Tensor, weights: Tensor, n: int) -> list[int]:
    left, picks = weights.clone(), []
    for _ in range(n):
        gains = (sets @ left).index_fill(0, torch.tensor(picks, dtype=torch.int64), -1.0)
        picks.append(int((gains >= gains.max() - 1e-9).nonzero()[0]))
        left[sets[picks[-1]] > 0] = 0
    return picks


@settings(max_examples=80, deadline=None)
@given(
    st.integers(1, 40),
    st.integers(1, 25),
    st.booleans(),
    st.sampled_from([0.0, 0.1, 3.0]),
    st.sampled_from([0, 2, 1000]),
    st.booleans(),
    st.integers(1, 50),
    st.integers(0, 10**6),
)
def test_the_picks_are_those_of_plain_greedy(
    rows: int, items: int, ties: bool, slack: float, patience: int, tight: bool, block: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    sets = (torch.rand(rows, items, generator=generator) < 0.3).double()
    weights = torch.ones(items).double() if ties else torch.rand(items, generator=generator).double()
    n = int(torch.randint(rows + 1, (1,), generator=generator))
    objective = WeightedCover(sets, weights, slack, block, patience, tight)
    assert lazy_greedy(objective, n).tolist() == plain_greedy(sets, weights, n)


def test_good_bounds_save_evaluations() -> None:
    generator = torch.Generator().manual_seed(0)
    sets = (torch.rand(2000, 3000, generator=generator) < 0.001).double()
    objective = WeightedCover(sets, torch.rand(3000, generator=generator).double(), 0.01, block=1)
    lazy_greedy(objective, 100)
    assert objective.evaluations < 0.05 * 100 * 2000


def test_counts_are_checked() -> None:
    objective = WeightedCover(torch.eye(3).double(), torch.ones(3).double(), 0.0)
    assert lazy_greedy(objective, 0).tolist() == []
    assert lazy_greedy(objective, 0).dtype == torch.int64
    with pytest.raises(ValueError, match="cannot pick 4 of 3"):
        lazy_greedy(objective, 4)
