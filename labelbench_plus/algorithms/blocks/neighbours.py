"""Exact k nearest neighbours, in chunks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from labelbench_plus.algorithms.blocks.checks import check_count, check_matrix
from labelbench_plus.algorithms.blocks.detached import detached
from labelbench_plus.algorithms.blocks.distance_bounds import DistanceBounds, true_entries
from labelbench_plus.algorithms.blocks.float_order import stable_order
from labelbench_plus.algorithms.blocks.pairwise import DEFAULT_CHUNK_BYTES, row_chunks, row_sums

_SAMPLE = 1024  # points that a first, generous cut is taken from
_ROWS, _COLUMNS = 256, 2048  # of a tile of bounds: enough for an efficient product, few enough for the cache


@dataclass(frozen=True)
class Neighbours:
    """The k nearest points of every query, nearest first.

    indices: (Q, k) int64 rows of the points.
    squared_distances: (Q, k) float64 squared Euclidean distances, ascending.
    """

    indices: Tensor
    squared_distances: Tensor


@detached
def nearest_neighbours(
    queries: Tensor, k: int, *, points: Tensor | None = None, chunk_bytes: int = DEFAULT_CHUNK_BYTES
) -> Neighbours:
    """Find the k points nearest to every query in Euclidean distance.

    Parameters
    ----------
    queries: (Q, d) floating point.
    k: how many neighbours, 0 <= k <= number of points (less one where the queries are the points).
    points: (N, d), on the same device; default the queries themselves, a row then being no neighbour of itself
        (its duplicates are).
    chunk_bytes: bound on temporary memory. It does not change the result.

    Raises
    ------
    ValueError
        Not finite matrices of equally many columns, or k out of range.

    Complexity: O(Q N r + Q k d) time with r the rank of the `DistanceBounds` (at most d + 3), and O(Q k + N +
    chunk_bytes) memory besides them. Where many more than k points lie at the k-th distance to within rounding
    (duplicates in large numbers), all of those are looked at: O(Q N d) time and 256 N pairs at worst.
    Exact: float32 bounds discard what cannot be a neighbour, distances in float64 decide.
    Ties: equal distances are ordered by lowest index, also at the cut.
    """
    check_matrix(queries, "queries")
    itself = points is None
    targets = queries if points is None else check_matrix(points, "points")
    if targets.shape[1] != queries.shape[1]:
        raise ValueError(f"queries have {queries.shape[1]} columns, points {targets.shape[1]}: they must agree")
    total = targets.shape[0]
    check_count(k, max(0, total - itself), "neighbours")
    indices = torch.empty(queries.shape[0], k, dtype=torch.int64, device=queries.device)
    squared = torch.empty(queries.shape[0], k, dtype=torch.float64, device=queries.device)
    if k == 0 or queries.shape[0] == 0:
        return Neighbours(indices, squared)
    bounds = DistanceBounds(targets, None if itself else queries, chunk_bytes=chunk_bytes)
    order = bounds.grouped_queries()
    window = max(_SAMPLE, 8 * k)
    sample = torch.arange(0, total, max(1, total // window), device=queries.device)
    for chunk in row_chunks(len(order), 1, _ROWS):
        rows = order[chunk]
        likely = sample
        if itself:  # those that are near in the grouped order are likely to be near
            first = max(0, min((chunk.start + chunk.stop - window) // 2, total - window))
            likely = order[first : first + window]
        exclude = _same_row if itself else _nothing
        query, point, lower = _candidates(bounds, rows, k, likely, exclude, chunk_bytes)
        nearest = _smallest(query, lower, len(rows), k)
        cut = (lower[nearest] + bounds.gap(rows[:, None], point[nearest])).amax(dim=1)
        close = lower <= cut[query]
        query, point = query[close], point[close]
        distances = pair_distances(queries[rows].to(torch.float64), targets, query, point)
        kept = _smallest(query, distances, len(rows), k)
        indices[rows], squared[rows] = point[kept], distances[kept]
    return Neighbours(indices, squared)


@detached
def nearest_of_other_label(features: Tensor, labels: Tensor, *, chunk_bytes: int = DEFAULT_CHUNK_BYTES) -> Tensor:
    """Squared distance of every row to the nearest row with another label.

    Parameters
    ----------
    features: (N, d) floating point.
    labels: (N,) integers.
    chunk_bytes: bound on temporary memory. It does not change the result.

    Returns
    -------
    (N,) float64; infinity where all rows have the same label.

    Complexity and exactness: as `nearest_neighbours` with k = 1.
    """
    check_matrix(features, "features")
    if labels.shape != features.shape[:1]:
        raise ValueError(f"labels must be one per row, ({features.shape[0]},), got shape {tuple(labels.shape)}")
    squared = torch.full((features.shape[0],), torch.inf, dtype=torch.float64, device=features.device)
    if features.shape[0] == 0 or bool((labels == labels[0]).all()):
        return squared
    bounds = DistanceBounds(features, chunk_bytes=chunk_bytes)
    sample = torch.arange(0, len(labels), max(1, len(labels) // _SAMPLE), device=features.device)
    _, label, counts = labels.unique(return_inverse=True, return_counts=True)
    for members in label.argsort(stable=True).split(counts.tolist()):
        current = label[members[0]]

        def exclude(lower: Tensor, rows: Tensor, points: slice | Tensor, current: Tensor = current) -> None:
            lower.index_fill_(1, (label[points] == current).nonzero()[:, 0], torch.inf)

        for chunk in row_chunks(len(members), 1, _ROWS):
            rows = members[chunk]
            query, point, lower = _candidates(bounds, rows, 1, sample, exclude, chunk_bytes)
            least = torch.full((len(rows),), torch.inf, dtype=lower.dtype, device=rows.device)
            cut = least.scatter_reduce_(0, query, lower + bounds.gap(rows[query], point), "amin")
            close = lower <= cut[query]
            query, point = query[close], point[close]
            distances = pair_distances(features[rows].to(torch.float64), features, query, point)
            nearest = torch.full((len(rows),), torch.inf, dtype=torch.float64, device=rows.device)
            squared[rows] = nearest.scatter_reduce_(0, query, distances, "amin")
    return squared


Exclude = Callable[[Tensor, Tensor, slice | Tensor], None]
"""Sets the bounds (queries, points) that do not count to infinity, given the rows of both."""


def _same_row(lower: Tensor, rows: Tensor, points: slice | Tensor) -> None:
    if isinstance(points, slice):  # cheaper than a mask: there are many of these
        inside = ((rows >= points.start) & (rows < points.stop)).nonzero()[:, 0]
        lower[inside, rows[inside] - points.start] = torch.inf
    else:
        lower.masked_fill_(rows[:, None] == points, torch.inf)


def _nothing(lower: Tensor, rows: Tensor, points: slice | Tensor) -> None:
    pass


def _candidates(
    bounds: DistanceBounds, rows: Tensor, k: int, likely: Tensor, exclude: Exclude, chunk_bytes: int
) -> tuple[Tensor, Tensor, Tensor]:
    """(position in `rows`, point, lower bound) of all pairs that may be among the k nearest, and of some others.

    Any k points bound the k-th distance from above; the cut is taken from those that are `likely` to be near.
    """
    lower = bounds.lower(rows, likely)
    exclude(lower, rows, likely)
    least = lower.topk(k, dim=1, largest=False)
    cut = (least.values + bounds.gap(rows[:, None], likely[least.indices])).amax(dim=1, keepdim=True)
    width = max(1, min(_COLUMNS, chunk_bytes // (8 * len(rows))))
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    for columns, lower in bounds.tiles(rows, width):
        exclude(lower, rows, columns)
        query, point = true_entries(lower <= cut)
        found.append((query, point + columns.start, lower[query, point]))
    query = torch.cat([piece[0] for piece in found])
    order = query.to(torch.int32).argsort(stable=True)  # within a query, points came in their order
    point, values = torch.cat([piece[1] for piece in found]), torch.cat([piece[2] for piece in found])
    return query[order], point[order], values[order]


def _smallest(query: Tensor, values: Tensor, queries: int, k: int) -> Tensor:
    """Places (queries, k) of the k smallest values of each query, ascending; ties by place. Each query has k."""
    order = stable_order(values)
    order = order[query[order].to(torch.int32).argsort(stable=True)]
    counts = torch.bincount(query, minlength=queries)
    first = counts.cumsum(0) - counts
    return order[first[:, None] + torch.arange(k, device=order.device)]


_PAIR_BYTES = 2**19  # temporaries of exact distances stay in a core's own cache


@detached
def pair_distances(queries: Tensor, points: Tensor, query: Tensor, point: Tensor) -> Tensor:
    """Exact squared distances of the pairs (queries[query[i]], points[point[i]]): (pairs,) float64.

    The same values as `exact_squared_distances` gives, for pairs that name a few rows many times.
    """
    out = torch.empty(len(query), dtype=torch.float64, device=points.device)
    for pairs in row_chunks(len(query), 8 * points.shape[1], _PAIR_BYTES):
        difference = points.index_select(0, point[pairs]).to(torch.float64)
        difference -= queries.index_select(0, query[pairs])
        out[pairs] = row_sums(difference.square_())
    return out
