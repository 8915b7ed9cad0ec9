"""Weightings of objectives: grids of them, and the nearest one to numbers that are none."""

from __future__ import annotations

import itertools

import numpy as np


def lattice(objectives: int, points: int) -> np.ndarray:
    """(k, M) all weightings whose weights are multiples of 1/(points − 1), those of the first objective descending.

    Raises
    ------
    ValueError
        Fewer than two points a side, or no objective.
    """
    if objectives < 1 or points < 2:
        raise ValueError(f"expected an objective or more and 2 points or more, got {objectives} and {points}")
    most = points - 1
    rows = [row for row in itertools.product(range(most, -1, -1), repeat=objectives - 1) if sum(row) <= most]
    return np.array([(*row, most - sum(row)) for row in rows], dtype=np.float64) / most


def nearest_weighting(values: np.ndarray) -> np.ndarray:
    """(M,) the point of the simplex nearest to (M,) finite numbers."""
    ordered = np.sort(values)[::-1]
    excess = (np.cumsum(ordered) - 1) / np.arange(1, len(values) + 1)
    level = excess[np.flatnonzero(ordered > excess)[-1]]
    return np.maximum(values - level, 0.0)
