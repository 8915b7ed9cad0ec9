"""Features of a table whose examples each seed divides anew: nothing about them is learned from rows of other parts."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from labelbench_plus.contracts.datasets import Dataset
from labelbench_plus.contracts.encoders import Encoder
from labelbench_plus.features.encoded import PARTS, load

CONSTANT = 1e-6  # a column that varies by less than this share of its values is float32's rounding


def divided(dataset: Dataset, encoder: Encoder, pool: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Features of some of a data set's vectors, encoded and standardised by a pool of them.

    Parameters
    ----------
    pool, rows: (N,) and (n,) of the data set's examples: its pool, then its validation part, then its test part.

    Returns
    -------
    (n, d) float32. Each feature has mean 0 and variance 1 on the pool; one that is constant there is only shifted.
    """
    vectors = _vectors(dataset, dataset.state())
    encode = encoder.fit(vectors[pool])
    mean, deviation = moments(encode(vectors[pool]))
    return ((encode(vectors[rows]) - mean) / deviation).astype(np.float32)


def moments(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (d,) float64 of features (n, d), the latter 1 where a feature is constant."""
    exact = features.astype(np.float64)
    mean, deviation = exact.mean(axis=0), exact.std(axis=0)
    deviation[deviation <= CONSTANT * np.abs(exact).max(axis=0)] = 1.0
    return mean, deviation


@lru_cache(maxsize=2)  # runs of one suite follow each other on the same problem
def _vectors(dataset: Dataset, state: tuple[int, ...]) -> np.ndarray:
    data = load(dataset)
    return np.concatenate([getattr(data, part).array for part in PARTS])
