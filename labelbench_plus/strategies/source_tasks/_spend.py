"""From shares to an allocation that spends what a round has."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from labelbench_plus.algorithms.water_filling import top_up
from labelbench_plus.source_tasks.allocation import Allocation
from labelbench_plus.source_tasks.view import SourceView


def spend(
    view: SourceView, share: np.ndarray, n: int, floor: int | None = None, only: np.ndarray | None = None
) -> Allocation:
    """Buy so that all labels of a finite list, those owned included, come as near as can be to `share`.

    Parameters
    ----------
    share: (S,) at least zero; all zero means even.
    floor: labels that every source gets in any case, 2 k if None. Where opening costs something, only sources with a
        share get it.
    only: (S,) bool, sources to buy of; all if left out, and all if those have too few labels left.
    """
    floor = 2 * view.rank if floor is None else floor
    chosen = np.ones(len(share), dtype=bool) if only is None else only
    if view.opening_prices.any() and share.any():
        chosen = chosen & (share > 0)
    if view.remaining[chosen].sum() < n and view.unpriced:
        chosen = np.ones(len(share), dtype=bool)
    ids = np.flatnonzero(chosen)

    def of(count: int) -> np.ndarray:
        added = np.zeros(len(share), dtype=np.int64)
        added[ids] = top_up(share[ids], count, view.bought[ids], floor, view.remaining[ids])
        return added

    if view.unpriced:
        return Allocation.of_counts(of(n))
    most = int(min(n, view.remaining[ids].sum()))
    return Allocation.of_counts(_within(view, of, most))


def _within(view: SourceView, of: Callable[[int], np.ndarray], most: int) -> np.ndarray:
    """The largest of the allocations `of(0)`, …, `of(most)` that the money pays for, and single labels for the rest."""

    def cost(counts: np.ndarray) -> float:
        return float(counts @ view.prices + view.opening_prices[counts > 0].sum())

    low, high = 0, most + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if cost(of(middle)) <= view.money else (low, middle)
    counts = of(low)
    left = view.money - cost(counts)
    paid = (counts > 0) | (view.opening_prices == 0)
    for source in np.argsort(view.prices, kind="stable"):
        if paid[source]:
            more = int(min(left // view.prices[source], view.remaining[source] - counts[source]))
            counts[source] += more
            left -= more * view.prices[source]
    return counts
