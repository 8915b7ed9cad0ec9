"""LCMD: the farthest point of the largest cluster, where every point belongs to its nearest chosen point."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Sequence
from typing import Generic

import numpy as np
import torch
from torch import Tensor

from labelbench_plus.algorithms.blocks.checks import check_count
from labelbench_plus.algorithms.blocks.detached import detached
from labelbench_plus.algorithms.blocks.pairwise import (
    DEFAULT_CHUNK_BYTES,
    PointsT,
    feature_points,
    nearest_centres,
    product_slack,
    row_chunks,
    squared_distance_bounds,
    true_indices,
)

TIE = 1e-9  # relative; clusters whose sizes differ by less are equally large
REACH = 4 * (1 + TIE)  # a pick takes no point from a centre that is farther from it than twice the point's distance
MOST_COLUMNS = 64  # products of so many likely picks with all points are prepared at once
FEW = 32  # a pick that can take at most one of so many points is looked at alone, for those points

PICKED = -1.0  # below every squared distance


@detached
def lcmd(features: Tensor, n: int, *, centers: Tensor | None = None, chunk_bytes: int = DEFAULT_CHUNK_BYTES) -> Tensor:
    """Pick `n` rows by largest cluster maximum distance.

    Every row belongs to its nearest centre, given or picked. The size of a cluster is the sum of the squared
    distances of its rows to their centre; the next pick is the row of the largest cluster that is farthest from its
    centre, and becomes a centre. Without any centre the first pick is the row of the largest norm.

    Parameters
    ----------
    features: (N, d) floating point, CPU or CUDA, d at least 1. Half precision is read as it is, without rounding.
    n: how many rows to pick, 0 to N.
    centers: (m, d) features of points that are already chosen, such as the labelled ones.
    chunk_bytes: byte budget of temporary arrays; does not change the picks.

    Returns
    -------
    (n,) int64 row indices in the order of picking, no repeats.

    Raises
    ------
    ValueError
        Not a matrix, not finite, columns that do not match, or more rows asked for than there are.

    Notes
    -----
    Ties: of centres that are equally near the earlier one keeps the row; clusters whose sizes differ by less than one
    part in 10⁹ are equally large, and the farthest row of all of them is taken; of rows that are equally far the
    lowest index.

    Exact: distances that decide are those of `exact_squared_distances`, whatever the dtype, the chunks, the threads.
    Two filters find the rows that a pick takes from other centres. Where clusters are far apart the triangle
    inequality leaves few: a row nearer to its centre than half the way from there to the pick stays. Elsewhere
    products with all rows are made for several of the most likely next picks at a time.

    Time O(N m d) for the given centres and at most O(N d) a pick, N elementary steps in any case; memory O(N + m d +
    n d) + `chunk_bytes`.

    Source: Holzmüller, Zaverkin, Kästner and Steinwart (2023, arXiv 2203.09410), the selection method LCMD.
    """
    points, given = feature_points(features, centers)
    return lcmd_points(points, n, centres=given, chunk_bytes=chunk_bytes)


def lcmd_points(points: PointsT, n: int, *, centres: PointsT, chunk_bytes: int = DEFAULT_CHUNK_BYTES) -> Tensor:
    """`lcmd` over any `Points`, given those that are chosen already, possibly none."""
    check_count(n, len(points))
    device = points.squared_norms.device
    if n == 0:
        return torch.empty(0, dtype=torch.int64, device=device)
    picks: list[int] = []
    if len(centres) == 0:
        picks.append(int(points.squared_norms.argmax()))
        centres = points.take(slice(picks[0], picks[0] + 1))
    clusters = Clusters(points, centres, picks, chunk_bytes)
    while len(picks) < n:
        picks.append(clusters.farthest())
        if len(picks) < n:
            clusters.found(picks[-1])
    return torch.tensor(picks, dtype=torch.int64, device=device)


class Clusters(Generic[PointsT]):
    """Which centre each point belongs to and how far it is from there, while points become centres.

    Attributes
    ----------
    distance: (N,) float64 exact squared distances, `PICKED` for points that were picked.
    owner: (N,) int64, the centre's number.
    members: for each centre, its points that were not picked, ascending.
    sizes: for each centre, the sum of their squared distances, on the host.
    """

    def __init__(self, points: PointsT, centres: PointsT, picks: list[int], chunk_bytes: int) -> None:
        self.points, self._centres, self._chunk_bytes = points, centres, chunk_bytes
        self.distance, self.owner = nearest_centres(points, centres, chunk_bytes)
        self.distance[picks] = PICKED
        rows = true_indices(self.distance >= 0)
        order = rows[self.owner[rows].argsort(stable=True)]
        counts = torch.bincount(self.owner[rows], minlength=len(centres)).tolist()
        self.members = list(order.split(counts))
        self.sizes = np.zeros(2 * len(centres))
        for cluster in range(len(centres)):
            self._measure(cluster)
        self._recent: list[int] = []  # picks that are centres, but not among `_centres` yet
        self._columns = Columns(points, chunk_bytes)
        self._columns.nearer(slice(None), self.distance)
        self._columns.drop(picks)

    def farthest(self) -> int:
        """The farthest point of the largest cluster."""
        sizes = self.sizes[: len(self.members)]
        best, found = PICKED, -1
        for cluster in np.flatnonzero(sizes >= sizes.max() * (1 - TIE)).tolist():
            members = self.members[cluster]
            if len(members):
                row = int(members[self.distance[members].argmax()])
                distance = float(self.distance[row])
                if (distance, -row) > (best, -found):
                    best, found = distance, row
        return found

    def found(self, row: int) -> None:
        """Make a point a centre, which takes the points that are nearer to it than to their own."""
        parent, cluster = int(self.owner[row]), len(self.members)
        before = self.sizes[parent]
        self.distance[row] = PICKED
        self._columns.drop([row])
        rows, touched = self._nearer(row), [parent]
        self.owner[row] = cluster
        if len(rows):
            point = self.points.take(slice(row, row + 1))
            squared = self.points.exact(rows, point, torch.zeros_like(rows))
            less = squared < self.distance[rows]
            rows, squared = rows[less], squared[less]
            touched = sorted({parent, *self.owner[rows].tolist()})
            self.distance[rows], self.owner[rows] = squared, cluster
            self._columns.nearer(rows, squared)
        for other in touched:
            members = self.members[other]
            self.members[other] = members[self.owner[members] == other]
            self._measure(other)
        if cluster == len(self.sizes):
            self.sizes = np.concatenate([self.sizes, np.zeros_like(self.sizes)])
        self.members.append(rows)
        self._measure(cluster)
        self._columns.learn(self.sizes[parent] / before if before > 0 else 1.0)
        self._recent.append(row)
        if len(self._recent) == MOST_COLUMNS:
            self._centres, self._recent = self._centres.join(self.points.take(self._index(self._recent))), []

    def _measure(self, cluster: int) -> None:
        self.sizes[cluster] = float(self.distance[self.members[cluster]].sum())

    def _nearer(self, row: int) -> Tensor:
        """Points that may be nearer to this one than to their centre, ascending."""
        rows = self._columns.rows_within(row)
        if rows is not None:
            return rows
        point = self.points.take(slice(row, row + 1))
        low = self._to_centres(point)
        rows = true_indices(self.distance * REACH > low[self.owner])
        if len(rows) <= len(self.points) // FEW:
            return rows[self._columns.within(self.points.take(rows), rows, point)] if len(rows) else rows
        self._columns.prepare([row, *self._likely(self._columns.wanted - 1)])
        rows = self._columns.rows_within(row)
        assert rows is not None
        return rows

    def _to_centres(self, point: PointsT) -> Tensor:
        """(centres,) float64, lower bounds on the squared distances of a point to all centres."""
        low = squared_distance_bounds(point, self._centres)[0][0]
        if self._recent:
            recent = self.points.take(self._index(self._recent))
            low = torch.cat([low, squared_distance_bounds(point, recent)[0][0]])
        return low

    def _likely(self, most: int) -> list[int]:
        """The next picks, should each of them shrink its cluster as much as the last ones did theirs."""
        sizes = self.sizes[: len(self.members)]
        heap = [(-sizes[cluster], cluster) for cluster in np.argsort(-sizes)[:most].tolist() if sizes[cluster] > 0]
        farthest: dict[int, Iterator[int]] = {}
        likely: list[int] = []
        while heap and len(likely) < most:
            size, cluster = heap[0]
            if cluster not in farthest:
                members = self.members[cluster]
                order = self.distance[members].topk(min(most, len(members))).indices
                farthest[cluster] = iter(members[order].tolist())
            row = next(farthest[cluster], None)
            if row is None:
                heapq.heappop(heap)
            else:
                likely.append(row)
                heapq.heapreplace(heap, (size * self._columns.shrinks, cluster))
        return likely

    def _index(self, rows: list[int]) -> Tensor:
        return torch.tensor(rows, dtype=torch.int64, device=self.distance.device)


class Columns(Generic[PointsT]):
    """Inner products of likely picks with all points, and the threshold above which a point is nearer to a pick.

    ‖x − c‖² < r² needs 2 x·c > ‖x‖² − r² + ‖c‖². What depends on x is kept for every point and rounded down by more
    than the products can be off.
    """

    def __init__(self, points: PointsT, chunk_bytes: int) -> None:
        self._points, self._chunk_bytes = points, chunk_bytes
        nothing = points.take(slice(0, 0))
        self._dtype = nothing.products(nothing).dtype
        self._room = max(1, min(MOST_COLUMNS, chunk_bytes // (self._dtype.itemsize * max(1, len(points)))))
        self._ahead = min(16, self._room)
        self._prepared: dict[int, Tensor] = {}
        self._new = self._used = 0
        self._threshold = torch.empty(len(points), dtype=self._dtype, device=points.squared_norms.device)
        self._relative, self._absolute = product_slack(points)
        self._margin = 4 * torch.finfo(self._dtype).eps  # of magnitudes: for rounding to `_dtype` and adding there
        self.shrinks = 0.9

    def nearer(self, rows: Tensor | slice, squared: Tensor) -> None:
        """Take note of smaller squared distances."""
        norms = self._points.squared_norms[rows]
        least = 0.5 * ((1 - self._relative) * norms - squared) - self._margin * (norms + squared)
        self._threshold[rows] = least.to(self._dtype)

    def drop(self, rows: list[int]) -> None:
        """Never name these points again."""
        self._threshold[rows] = math.inf

    def within(self, some: PointsT, rows: Tensor, centre: PointsT) -> Tensor:
        """Which of some points, whose numbers are `rows`, may be nearer to a centre than to their own: a mask."""
        return some.products(centre)[:, 0] >= self._threshold[rows] + self._of_centre(centre)

    def rows_within(self, row: int) -> Tensor | None:
        """The same among all points, ascending; None unless that has been prepared."""
        column = self._prepared.pop(row, None)
        if column is None:
            return None
        self._used += 1
        return true_indices(column >= self._threshold + self._of_centre(self._points.take(slice(row, row + 1))))

    @property
    def wanted(self) -> int:
        """How many likely picks `prepare` can use."""
        return min(self._room, 2 * self._ahead)

    def prepare(self, rows: Sequence[int]) -> None:
        """Have products at hand for the first of these, the most likely next picks."""
        if self._new:  # what was prepared for nothing is not to become the rule
            self._ahead = min(2 * self._ahead, self._room) if 2 * self._used > self._new else max(1, self._ahead // 2)
        kept = {row: self._prepared[row] for row in rows if row in self._prepared}
        new = [row for row in rows if row not in kept][: min(self._ahead, self._room - len(kept))]
        self._new, self._used = len(new), 0
        picks = self._points.take(torch.tensor(new, device=self._threshold.device))
        made = torch.empty(len(new), len(self._points), dtype=self._dtype, device=self._threshold.device)
        row_bytes = self._points.row_bytes + len(new) * self._dtype.itemsize
        for part in row_chunks(len(self._points), row_bytes, self._chunk_bytes):
            made[:, part] = picks.products(self._points.take(part))
        self._prepared = kept | dict(zip(new, made, strict=True))

    def learn(self, shrinks: float) -> None:
        """Take note of the share of its size that a cluster keeps when its farthest point is picked."""
        self.shrinks += 0.1 * (shrinks - self.shrinks)

    def _of_centre(self, centre: PointsT) -> float:
        norm = float(centre.squared_norms)
        return 0.5 * (1 - self._relative) * norm - self._absolute - self._margin * norm
