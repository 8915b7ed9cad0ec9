"""Knapsack greedy: the better of two greedy runs, within its guarantee, for every objective."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from labelbench_plus.algorithms.blocks.knapsack import knapsack_greedy
from labelbench_plus.algorithms.blocks.lazy_greedy import Objective
from labelbench_plus.algorithms.blocks.similarity import Cosine, Rbf
from labelbench_plus.algorithms.facility_location import FacilityLocation, SparseFacilityLocation, facility_location
from labelbench_plus.algorithms.graph_cut import GraphCut
from labelbench_plus.algorithms.log_det import LogDet
from labelbench_plus.algorithms.probcover import Coverage

OBJECTIVES: dict[str, Callable[[Tensor], Objective]] = {
    "facility location": lambda x: FacilityLocation(x, similarity=Rbf(gamma=2.0)),
    "facility location without a graph": lambda x: FacilityLocation(x, similarity=Rbf(gamma=2.0), graph_bytes=0),
    "sparse facility location": lambda x: SparseFacilityLocation(x, neighbours=4, similarity=Rbf(gamma=2.0)),
    "graph cut": lambda x: GraphCut(x, similarity=Rbf(gamma=2.0)),
    "log det": lambda x: LogDet(x, alpha=2.0),
    "coverage": lambda x: Coverage(x, 1.0),
}


def value(objective: Objective, rows: list[int]) -> float:
    """The objective of a set, as the sum of its gains."""
    objective.reset()
    objective.sweep()
    total = 0.0
    for row in rows:
        total += float(objective.gains(torch.tensor([row]))[0])
        objective.add(row)
    return total


def greedy(objective: Objective, prices: Tensor, budget: float, by_ratio: bool) -> tuple[list[int], float]:
    rows: list[int] = []
    cost = total = 0.0
    while True:
        best, best_key = -1, objective.tolerance
        for row in range(objective.rows):
            if row in rows or float(prices[row]) > budget * (1 + 1e-12) - cost:
                continue
            gain = value(objective, [*rows, row]) - total
            key = gain / float(prices[row]) if by_ratio else gain
            if gain > objective.tolerance and key > best_key + 1e-9:
                best, best_key = row, key
        if best < 0:
            return rows, total
        rows.append(best)
        cost += float(prices[best])
        total = value(objective, rows)


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("seed", [0, 1])
def test_it_is_the_better_of_two_plain_greedy_runs(name: str, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(14, 2, generator=generator)
    prices = torch.randint(1, 5, (14,), generator=generator).float()
    objective = OBJECTIVES[name](x)
    runs = [greedy(objective, prices, 8.0, by_ratio) for by_ratio in (True, False)]
    got = knapsack_greedy(objective, prices, 8.0)
    assert got.value == pytest.approx(max(total for _, total in runs))
    assert got.rows.tolist() == runs[0 if got.by_ratio else 1][0]
    assert got.cost == pytest.approx(float(prices[got.rows].sum())) and got.cost <= 8.0
    assert got.value == pytest.approx(value(objective, got.rows.tolist()))


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(sorted(OBJECTIVES)), st.integers(1, 7), st.integers(0, 10**6))
def test_the_guarantee_holds_against_all_subsets(name: str, rows: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, 2, generator=generator)
    prices = torch.rand(rows, generator=generator).double() + 0.05
    objective = OBJECTIVES[name](x)
    budget = float(prices.sum()) * 0.4
    best = 0.0
    for size in range(rows + 1):
        for subset in itertools.combinations(range(rows), size):
            if float(prices[list(subset)].sum()) <= budget:
                best = max(best, value(objective, list(subset)))
    got = knapsack_greedy(objective, prices, budget)
    assert got.value >= (1 - 1 / math.e) / 2 * best - 1e-9
    assert got.cost <= budget * (1 + 1e-9)


def test_one_run_alone_may_fail_and_the_other_saves_it() -> None:
    # Rows at right angles: a gain of one each under weights. A trifle of great ratio must not crowd out the treasure.
    x = torch.eye(2)
    treasure = FacilityLocation(x, weights=torch.tensor([0.02, 1.0]), similarity=Cosine())
    got = knapsack_greedy(treasure, torch.tensor([0.01, 1.0]), 1.0)
    assert got.rows.tolist() == [1] and not got.by_ratio
    # And many cheap ones must win against one that is dear.
    x = torch.eye(11)
    weights = torch.ones(11).index_fill(0, torch.tensor([0]), 1.5)
    prices = torch.full((11,), 0.1).index_fill(0, torch.tensor([0]), 1.0)
    got = knapsack_greedy(FacilityLocation(x, weights=weights, similarity=Cosine()), prices, 1.0)
    assert got.rows.tolist() == list(range(1, 11)) and got.by_ratio
    assert got.value == pytest.approx(10.0)


def test_equal_prices_give_the_picks_without_prices() -> None:
    x = torch.randn(60, 3, generator=torch.Generator().manual_seed(0))
    got = knapsack_greedy(FacilityLocation(x), torch.full((60,), 0.1), 1.0)
    assert got.rows.tolist() == facility_location(x, 10).tolist()


def test_what_brings_nothing_is_not_bought() -> None:
    got = knapsack_greedy(Coverage(torch.zeros(5, 2), 1.0), torch.ones(5), 4.0)
    assert (got.rows.tolist(), got.value, got.cost) == ([0], 5.0, 1.0)


def test_edges_and_bad_arguments() -> None:
    x = torch.randn(4, 2, generator=torch.Generator().manual_seed(0))
    objective = LogDet(x)
    assert knapsack_greedy(objective, torch.ones(4), 0.0).rows.tolist() == []
    assert knapsack_greedy(objective, torch.ones(4), 0.5).value == 0.0
    assert knapsack_greedy(LogDet(x[:0]), torch.ones(0), 1.0).rows.tolist() == []
    for prices in (torch.ones(3), torch.zeros(4), torch.full((4,), torch.nan)):
        with pytest.raises(ValueError, match="prices"):
            knapsack_greedy(objective, prices, 1.0)
    for budget in (-1.0, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="budget"):
            knapsack_greedy(objective, torch.ones(4), budget)
