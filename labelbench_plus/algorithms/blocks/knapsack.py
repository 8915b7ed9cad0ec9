"""Greedy maximisation of a monotone submodular function when rows have prices."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from labelbench_plus.algorithms.blocks.checks import check_finite
from labelbench_plus.algorithms.blocks.detached import detached
from labelbench_plus.algorithms.blocks.lazy_greedy import LazyQueue, Objective


@dataclass(frozen=True)
class Basket:
    """What a budget bought.

    rows: (m,) int64 row indices in pick order.
    value: the objective, over what it is without any of these rows.
    cost: the sum of their prices.
    by_ratio: whether picking by gain over price gave this, rather than by gain alone.
    """

    rows: Tensor
    value: float
    cost: float
    by_ratio: bool


@detached
def knapsack_greedy(objective: Objective, prices: Tensor, budget: float) -> Basket:
    """Buy rows for at most `budget`, greedily by gain over price and by gain alone, and keep the better.

    Both runs skip what is no longer affordable, and end when nothing is, or when nothing affordable has a gain left.
    Either alone can be arbitrarily bad: gain over price may fill the budget with trifles, gain alone ignores prices.

    Parameters
    ----------
    objective: `FacilityLocation`, `SparseFacilityLocation`, `LogDet`, `Coverage`, `GraphCut` (λ >= 2), or any other
        monotone submodular `Objective`. It is reset first.
    prices: (N,) positive.
    budget: at least zero, in the unit of the prices; exceeded at most by the rounding of their type.

    Raises
    ------
    ValueError
        Prices of the wrong shape, not finite or not positive; a budget that is negative or not finite.

    Complexity: two runs of lazy greedy, see the objective.
    Ties: gains (over price) within the objective's tolerance go to the lowest index; equal values of the two runs to
    gain over price.
    Guarantee: (1 − 1/e) / 2 of the optimum for a monotone submodular function.
    Source: Leskovec et al. (2007), "Cost-effective outbreak detection in networks", section 3 (CEF and CELF, Theorem
    3); Khuller, Moss and Naor (1999) for the budgeted maximum coverage problem.
    """
    if prices.shape != (objective.rows,):
        raise ValueError(f"prices must be one per row, ({objective.rows},), got shape {tuple(prices.shape)}")
    check_finite(prices, "prices")
    if bool((prices <= 0).any()):
        raise ValueError(f"prices must be positive, but row {int((prices <= 0).nonzero()[0])} costs {prices.min()}")
    if not (budget >= 0 and math.isfinite(budget)):
        raise ValueError(f"budget must be finite and not negative, got {budget}")
    exact = prices.to(device=objective.device, dtype=torch.float64)
    # A sum of prices may exceed the budget by their rounding alone: ten times 0.1 is affordable with 1.0.
    rounding = torch.finfo(prices.dtype if prices.is_floating_point() else torch.float64).eps
    allowed = budget * (1.0 + 4.0 * rounding)
    by_ratio = _run(objective, exact, allowed, by_ratio=True)
    by_gain = _run(objective, exact, allowed, by_ratio=False)
    return by_gain if by_gain.value > by_ratio.value + objective.tolerance else by_ratio


def _run(objective: Objective, prices: Tensor, allowed: float, *, by_ratio: bool) -> Basket:
    rows: list[int] = []
    value = cost = 0.0
    if objective.rows:
        queue = LazyQueue(objective, prices if by_ratio else None)
        free = torch.ones(objective.rows, dtype=torch.bool, device=objective.device)
        while True:
            beyond = free & (prices > allowed - cost)
            queue.drop(beyond)
            free &= ~beyond
            if not bool(free.any()):
                break
            row, gain = queue.best()
            if gain <= objective.tolerance:
                break
            queue.pick(row)
            free[row] = False
            rows.append(row)
            value, cost = value + gain, cost + float(prices[row])
    picked = torch.tensor(rows, dtype=torch.int64, device=objective.device)
    return Basket(rows=picked, value=value, cost=cost, by_ratio=by_ratio)
