"""Exact integer allocation: shares of a total, with floors and capacities."""

from __future__ import annotations

import numpy as np

TIE = 1e-9
"""Fractions of a unit closer than this count as equal, so that rounding noise does not decide who gets the unit."""


def water_fill(
    share: np.ndarray, total: int, floor: np.ndarray | int = 0, capacity: np.ndarray | None = None
) -> np.ndarray:
    """Whole numbers as nearly proportional to `share` as floors and capacities allow, summing to `total` exactly.

    The level L with Σ_m min(capacity_m, max(floor_m, L · share_m)) = total is found exactly (the sum is piecewise
    linear in L); what is fractional is rounded down and the missing units go to the largest fractions, ties to the
    lowest index. Where sources with a share are full, the rest is spread evenly over those without.

    Parameters
    ----------
    share: (M,) at least zero. All zero means even.
    total: what is to be given away, at least zero.
    floor: what everybody gets, shares aside: one number or (M,). Lowered to total // M where it is too much for all.
    capacity: (M,) the most that each can take; infinite if left out.

    Returns
    -------
    (M,) int64.

    Raises
    ------
    ValueError
        No source, a share that is negative or not finite, a negative total, or less capacity than total.

    Source: the allocation rules n_m = max(β share_m, floor) of Chen, Jamieson, Du (ICML 2022) and Wang, Chen, Jamieson,
    Du (ICML 2023), turned round to a given total; our reading.
    """
    share = np.asarray(share, dtype=np.float64)
    sources = len(share)
    room = np.full(sources, np.inf) if capacity is None else np.asarray(capacity, dtype=np.float64)
    if share.ndim != 1 or sources == 0 or room.shape != share.shape:
        raise ValueError(f"share and capacity must be vectors of one length >= 1, got {share.shape} and {room.shape}")
    if not np.isfinite(share).all() or (share < 0).any():
        raise ValueError(f"shares must be finite and at least zero, got {share.min()} to {share.max()}")
    if total < 0 or room.sum() < total:
        raise ValueError(f"cannot give away {total}: the sources can take 0 to {room.sum():g}")
    least = np.minimum(np.minimum(np.broadcast_to(floor, share.shape), total // sources), room).astype(np.float64)
    if not share.any():
        share = np.ones(sources)
    exact = _fill(share, float(total), least, room)
    if (short := total - exact.sum()) > 0.5:  # every source with a share is full
        rest = share == 0
        exact[rest] = _fill(np.ones(int(rest.sum())), exact[rest].sum() + short, least[rest], room[rest])
    counts = np.floor(exact + TIE)
    fraction = np.round((exact - counts) / TIE) * TIE
    missing = int(total - counts.sum())
    takers = np.flatnonzero(counts < room)
    counts[takers[np.argsort(-fraction[takers], kind="stable")[:missing]]] += 1
    return counts.astype(np.int64)


def _fill(share: np.ndarray, total: float, least: np.ndarray, most: np.ndarray) -> np.ndarray:
    """min(most, max(least, L · share)) at the level L where it sums to `total`, or as much as those with share take."""
    has = share > 0
    levels = np.unique(np.concatenate([least[has] / share[has], most[has] / share[has], [0.0]]))
    levels = levels[np.isfinite(levels)]

    def at(level: float) -> np.ndarray:
        return np.clip(level * share, least, most)

    low, high = 0, len(levels)  # the last level known to give too little, the first to give enough
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if at(levels[middle]).sum() >= total else (middle, high)
    start = at(levels[low])
    slope = float(share[has & (start < most) & (levels[low] * share >= least * (1 - TIE))].sum())
    if slope == 0 or start.sum() >= total:
        return start if high == len(levels) or start.sum() >= total else at(levels[high])
    return at(levels[low] + (total - start.sum()) / slope)


def top_up(
    share: np.ndarray,
    amount: int,
    owned: np.ndarray,
    floor: np.ndarray | int = 0,
    remaining: np.ndarray | None = None,
) -> np.ndarray:
    """What to add to `owned`, `amount` in all, so that the whole comes as near as can be to `share`.

    Parameters
    ----------
    share, floor: what the whole is to look like; see `water_fill`.
    owned: (M,) what is there, which nobody takes back.
    remaining: (M,) the most that can be added to each; infinite if left out.

    Returns
    -------
    (M,) int64, summing to `amount`.

    Raises
    ------
    ValueError
        As `water_fill`.
    """
    owned = np.asarray(owned, dtype=np.int64)
    left = np.full(len(owned), np.inf) if remaining is None else np.asarray(remaining, dtype=np.float64)
    want = water_fill(share, int(owned.sum()) + amount, floor, owned + left)
    need = np.maximum(want - owned, 0)
    return need if need.sum() == amount else water_fill(need, amount, 0, left)
