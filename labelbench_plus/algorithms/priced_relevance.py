"""Relevance when sources cost something to open: which few of them to open, and how much of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np

from labelbench_plus.algorithms.relevance import ZERO, check_heads, l1_relevance

RESIDUAL = 1e-8  # largest ‖W ν − w‖, relative to ‖w‖, at which sources count as able to express the target
STARTS = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0)  # how much of the opening prices the six starting programs spread over ν


@dataclass(frozen=True)
class PricedRelevance:
    """`relevance` (M,), what opening its sources costs, and its length Σ √price_m |ν_m|."""

    relevance: np.ndarray
    opening: float
    length: float


def priced_relevance(
    heads: np.ndarray, target: np.ndarray, prices: np.ndarray, opening: np.ndarray, worth: float
) -> PricedRelevance:
    """Minimise Σ_{ν_m ≠ 0} opening_m + worth · (Σ √prices_m |ν_m|)² over W ν = w, by local search.

    Some optimum has at most k non-zeros. Starts at the vertices of six linear programs that charge the opening price in
    proportion to |ν|, then drops, swaps or adds one source as long as that helps. Exact on nearly all small instances;
    nothing is proved.

    Parameters
    ----------
    heads, target: W (k, M) and w (k,), w in the span of W.
    prices: (M,) positive, of a label of each source. opening: (M,) at least zero, of using a source at all.
    worth: σ² (d − k) / risk: with n_m ∝ |ν_m| / √price_m the second term is what labels cost to reach that risk.

    Raises
    ------
    ValueError
        Shapes, signs, or a target that the heads cannot express.

    Source: our reading of the cost-sensitive setting of Wang, Chen, Jamieson, Du (ICML 2023).
    """
    heads, target = check_heads(heads, target)
    count = heads.shape[1]
    prices, opening = np.asarray(prices, dtype=np.float64), np.asarray(opening, dtype=np.float64)
    if prices.shape != (count,) or opening.shape != (count,) or (prices <= 0).any() or (opening < 0).any():
        raise ValueError(f"prices must be {count} positive numbers, opening prices {count} of at least zero")
    if not (np.isfinite(worth) and worth > 0):
        raise ValueError(f"worth must be positive and finite, got {worth}")
    root = np.sqrt(prices)
    scale = float(np.linalg.norm(target))

    def expressed(support: frozenset[int]) -> np.ndarray | None:
        columns = sorted(support)
        part = np.linalg.lstsq(heads[:, columns], target, rcond=None)[0]
        if np.linalg.norm(heads[:, columns] @ part - target) > RESIDUAL * scale:
            return None
        relevance = np.zeros(count)
        relevance[columns] = np.where(np.abs(part) > ZERO * np.abs(part).max(), part, 0.0)  # not needed: not opened
        return relevance

    known: dict[frozenset[int], float] = {}

    def cost(support: frozenset[int]) -> float:
        if support not in known:
            relevance = expressed(support) if support else None
            known[support] = np.inf if relevance is None else _cost(relevance, root, opening, worth)
        return known[support]

    best: frozenset[int] = frozenset()
    for share in STARTS:
        relevance = l1_relevance(heads, target, root + share * opening)
        support = _descend(frozenset(np.flatnonzero(relevance).tolist()), count, len(target), cost)
        best = min(best, support, key=cost)
    found = expressed(best) if best else np.zeros(count)
    if found is None or (not best and scale > 0):
        raise ValueError("the heads cannot express the target: W ν = w has no solution")
    used = found != 0
    return PricedRelevance(found, float(opening[used].sum()), float(root @ np.abs(found)))


def _cost(relevance: np.ndarray, root: np.ndarray, opening: np.ndarray, worth: float) -> float:
    return float(opening[relevance != 0].sum() + worth * (root @ np.abs(relevance)) ** 2)


def _descend(
    support: frozenset[int], count: int, largest: int, cost: Callable[[frozenset[int]], float]
) -> frozenset[int]:
    """Make the best move that lowers the cost until none does; ties to the lowest sources."""
    while True:
        outside = [source for source in range(count) if source not in support]
        moves = [support - {out} for out in sorted(support)]
        moves += [support - {out} | {come} for out, come in product(sorted(support), outside)]
        if len(support) < largest:
            moves += [support | {come} for come in outside]
        best = min(moves, key=cost, default=support)
        if not cost(best) < cost(support) * (1 - 1e-12):
            return support
        support = best


def relevance_for_money(
    heads: np.ndarray, target: np.ndarray, prices: np.ndarray, opening: np.ndarray, money: float
) -> np.ndarray:
    """ν that makes the risk least when `money` pays for opening sources and for their labels.

    The risk is proportional to (Σ √prices_m |ν_m|)² / (money − Σ opening), a ratio, which Dinkelbach's iteration
    (1967) minimises through a few calls of `priced_relevance`.

    Returns
    -------
    (M,) float64. Where opening costs nothing this is the L1 relevance with weights √prices.

    Raises
    ------
    ValueError
        As `priced_relevance`, or no set of sources that expresses the target can be opened for the money.
    """
    prices, opening = np.asarray(prices, dtype=np.float64), np.asarray(opening, dtype=np.float64)
    plain = l1_relevance(heads, target, np.sqrt(prices))
    if not opening.any() or not plain.any():
        return plain
    cheapest = priced_relevance(heads, target, prices, opening, 1e-12 * money / _square(plain, prices))
    if cheapest.opening >= money:
        raise ValueError(f"opening the sources that express the target costs {cheapest.opening:g}, of {money:g} in all")
    best = cheapest
    while True:
        worth = (money - best.opening) / best.length**2
        found = priced_relevance(heads, target, prices, opening, worth)
        if found.opening + worth * found.length**2 >= money * (1 - 1e-12):
            return best.relevance
        best = found


def _square(relevance: np.ndarray, prices: np.ndarray) -> float:
    return float(np.sqrt(prices) @ np.abs(relevance)) ** 2
