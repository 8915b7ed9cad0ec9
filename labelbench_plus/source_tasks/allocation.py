"""The query of source-task selection: how many labels of which source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from labelbench_plus.oracle import QueryError


@dataclass(frozen=True)
class Allocation:
    """Labels to buy.

    Attributes
    ----------
    sources: (m,) ids of different sources, or (m, d) float descriptors of different ones on a continuous space.
    counts: (m,) integers, at least zero: labels of each.
    """

    sources: np.ndarray
    counts: np.ndarray

    @classmethod
    def of_counts(cls, counts: np.ndarray) -> Allocation:
        """The allocation that gives source i `counts[i]` labels."""
        used = np.flatnonzero(counts)
        return cls(used, np.asarray(counts)[used])

    @classmethod
    def merged(cls, rows: np.ndarray, counts: np.ndarray) -> Allocation:
        """The allocation over descriptors in which equal rows are one source, in the order of their first."""
        rows = np.asarray(rows, dtype=np.float64) + 0.0  # there is one zero, not two
        _, first, place = np.unique(rows, axis=0, return_index=True, return_inverse=True)
        totals = np.bincount(place.reshape(-1), weights=counts, minlength=len(first)).astype(np.int64)
        order = np.argsort(first)
        order = order[totals[order] > 0]
        return cls(rows[first[order]], totals[order])


def as_counts(query: Any) -> np.ndarray:
    """The counts of a query for sources, as int64.

    Raises
    ------
    QueryError
        Not an allocation, or counts that are not whole, negative, or not one a source.
    """
    if not isinstance(query, Allocation):
        raise QueryError(f"expected an Allocation over sources, got {type(query).__name__}")
    counts = np.asarray(query.counts)
    if counts.ndim != 1 or len(counts) != len(query.sources):
        raise QueryError(f"expected one count for each of {len(query.sources)} sources, got shape {counts.shape}")
    if not np.issubdtype(counts.dtype, np.integer):
        raise QueryError(f"expected whole numbers of labels, got counts of {counts.dtype}")
    if len(negative := counts[counts < 0]):
        raise QueryError(f"expected counts of at least zero, got {negative[0]}")
    return counts.astype(np.int64)
