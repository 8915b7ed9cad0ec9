"""Distances to the nearest of a growing set of centres, brought up to date only where somebody asks."""

from __future__ import annotations

from typing import Generic, Self

import torch
from torch import Tensor

from labelbench_plus.algorithms.blocks.pairwise import PointsT, nearest_squared_distances, row_chunks


class LazyDistances(Generic[PointsT]):
    """Squared distances of a pool to the nearest of a growing set of centres, brought up to date on demand.

    A distance to the nearest centre only shrinks when centres are added, so a stale value is an upper bound.

    Attributes
    ----------
    bound: (N,) float64, at least the squared distance to the nearest centre.
    seen: (N,) int64, how many of the centres are accounted for: the bound is exact once that is all of them.
    centres: all centres so far.
    """

    def __init__(self, points: PointsT, centres: PointsT, bound: Tensor, chunk_bytes: int) -> None:
        """Start from any upper bounds (infinity will do); no distance is computed."""
        self.points, self.centres, self.chunk_bytes = points, centres, chunk_bytes
        self.bound = bound.clone()
        self.seen = torch.zeros(len(points), dtype=torch.int64, device=bound.device)

    @classmethod
    def exact(cls, points: PointsT, centres: PointsT, chunk_bytes: int) -> Self:
        """Start from the exact distances to the given centres, infinite if there are none."""
        unknown = torch.full_like(points.squared_norms, torch.inf)
        lazy = cls(points, centres, nearest_squared_distances(points, centres, unknown, chunk_bytes), chunk_bytes)
        lazy.seen += len(centres)
        return lazy

    def add(self, centres: PointsT) -> None:
        """Add centres; no distance is computed."""
        self.centres = self.centres.join(centres)

    def refresh(self, rows: Tensor) -> None:
        """Make `bound[rows]` exact, with no more than twice the distances that the rows have missed."""
        missed = len(self.centres) - self.seen[rows]
        magnitude = (missed > 0).to(torch.int32)
        if len(rows) and len(rows) * int(missed.max()) > 2 * int(missed.sum()):
            # One product for all would waste most of it on rows that are nearly up to date: one for each magnitude.
            magnitude *= torch.frexp(missed.to(torch.float64)).exponent
        for group in magnitude.unique().tolist():
            if group == 0:
                continue
            members = rows[magnitude == group]
            first = int(self.seen[members].min())
            recent = self.centres.take(slice(first, len(self.centres)))
            for part in row_chunks(len(members), self.points.row_bytes, self.chunk_bytes):
                some = members[part]
                self.bound[some] = self.nearest(self.points.take(some), recent, self.bound[some])
        self.seen[rows] = len(self.centres)

    def nearest(self, points: PointsT, centres: PointsT, known: Tensor) -> Tensor:
        """(n,) exact squared distance of each point to its nearest centre, or `known` where that is less."""
        return nearest_squared_distances(points, centres, known, self.chunk_bytes)
