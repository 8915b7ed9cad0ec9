"""Columns of a table as features: numbers standardised, words as zeros and ones."""

from __future__ import annotations

import numpy as np


def standardised(values: np.ndarray, pool: np.ndarray) -> np.ndarray:
    """(n, 1) of (n,) numbers, with mean 0 and deviation 1 over the rows of the pool; a constant becomes 0."""
    spread = values[pool].std()
    return ((values - values[pool].mean()) / (spread if spread > 0 else 1.0))[:, None]


def indicators(words: np.ndarray) -> np.ndarray:
    """(n, w) float64 of (n,) of str: a column for every one of the w different words, by letter, 1 where it stands."""
    names = np.array(sorted(set(words.tolist())), dtype=object)
    return (words[:, None] == names).astype(np.float64)
