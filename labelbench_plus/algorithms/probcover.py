"""ProbCover: the balls of one radius that cover most of the pool."""

from __future__ import annotations

import logging
import math

import torch
from numpy.random import Generator
from torch import Tensor

from labelbench_plus.algorithms.blocks.checks import check_count, check_matrix
from labelbench_plus.algorithms.blocks.detached import detached
from labelbench_plus.algorithms.blocks.distance_bounds import DistanceBounds, true_entries
from labelbench_plus.algorithms.blocks.lazy_greedy import lazy_greedy
from labelbench_plus.algorithms.blocks.neighbours import nearest_neighbours, nearest_of_other_label, pair_distances
from labelbench_plus.algorithms.blocks.pair_lists import TILE, PairLists, PairListsBuilder
from labelbench_plus.algorithms.blocks.pairwise import DEFAULT_CHUNK_BYTES
from labelbench_plus.algorithms.blocks.similarity import check_centers
from labelbench_plus.algorithms.k_means import k_means

GRAPH_BYTES = 2 * 2**30
"""Memory that the graph of covered pairs may take before it is refused."""

logger = logging.getLogger(__name__)

_EDGE_BYTES = 10  # at the peak: six while an edge waits, four in its list
_SAMPLE = 256


@detached
def probcover(
    features: Tensor,
    n: int,
    delta: float,
    *,
    centers: Tensor | None = None,
    graph_bytes: int = GRAPH_BYTES,
    chunk_bytes: int = DEFAULT_CHUNK_BYTES,
) -> Tensor:
    """Pick `n` rows whose open balls of radius δ greedily cover the most rows not covered yet.

    Parameters
    ----------
    features: (N, d) floating point: the rows to cover, and to pick from.
    n: how many to pick, 0 <= n <= N.
    delta: radius δ > 0; row i covers row j if ‖x_i − x_j‖ < δ, itself included. See `purity_delta`.
    centers: (L, d) rows chosen already: what they cover is covered.
    graph_bytes: memory that the graph may take at its peak, 10 bytes for each ordered pair closer than δ.
    chunk_bytes: bound on temporary memory. It does not change the result.

    Returns
    -------
    (n,) int64 row indices in pick order, on the device of the features. Once all rows are covered, every further
    pick covers nothing new, and the lowest index is taken.

    Raises
    ------
    ValueError
        Not finite, shapes that do not fit, n out of range, δ not positive.
    MemoryError
        The graph would exceed `graph_bytes`; the message says what it takes.

    Complexity: O(N² r) time to build the graph, r <= d + 3 the rank of `DistanceBounds`; then every edge is removed
    once, when the row it leads to becomes covered: O(E + n N) for all picks, E the number of edges. O(N r) memory and
    the graph. Distances within rounding of δ are decided in float64.
    Ties: rows that cover equally many go to the lowest index.
    Guarantee: 1 − 1/e of the best coverage, coverage being monotone submodular.
    Source: Yehuda et al. (2022, arXiv 2205.11320, Algorithm 1). The paper writes closed balls, its authors' program
    uses open ones, as here.
    """
    check_matrix(features, "features")
    check_count(n, features.shape[0])
    _check_delta(delta)
    if n == 0:
        return torch.empty(0, dtype=torch.int64, device=features.device)
    coverage = Coverage(features, delta, centers=centers, graph_bytes=graph_bytes, chunk_bytes=chunk_bytes)
    return lazy_greedy(coverage, n)


class Coverage:
    """The objective of `probcover`, for `lazy_greedy` and `knapsack_greedy`. At least one row."""

    tight = True
    block = 1
    patience = 0
    tolerance = 0.0

    @detached
    def __init__(
        self,
        features: Tensor,
        delta: float,
        *,
        centers: Tensor | None = None,
        graph_bytes: int = GRAPH_BYTES,
        chunk_bytes: int = DEFAULT_CHUNK_BYTES,
    ) -> None:
        check_matrix(features, "features")
        _check_delta(delta)
        centers = check_centers(features, centers)
        self.rows, self.device = features.shape[0], features.device
        self._graph = _ball_graph(features, delta, graph_bytes, chunk_bytes)
        if self.rows > 1 and bool((self._graph.counts <= 1).all()):
            logger.warning("no ball of radius %.3g holds a row besides its own: rows are picked in their order", delta)
        self._at_start = torch.zeros(self.rows, dtype=torch.bool, device=self.device)
        if centers is not None:
            nearest = nearest_neighbours(features, 1, points=centers.unique(dim=0), chunk_bytes=chunk_bytes)
            self._at_start = nearest.squared_distances[:, 0] < delta**2
        self.reset()

    @property
    def covered(self) -> Tensor:
        """Which rows are covered: (N,) bool."""
        return self._covered.clone()

    def reset(self) -> None:
        self._covered = torch.zeros_like(self._at_start)
        self._degree = self._graph.counts.clone()
        self._cover(self._at_start.nonzero()[:, 0])

    def sweep(self) -> Tensor:
        return self._degree.to(torch.float64)

    def bounds(self, rows: Tensor) -> Tensor:
        return self._degree[rows].to(torch.float64)

    def gains(self, rows: Tensor) -> Tensor:
        return self.bounds(rows)

    def add(self, row: int) -> None:
        reached = self._within(torch.tensor([row], device=self.device))
        self._cover(reached[~self._covered[reached]])

    def _cover(self, rows: Tensor) -> None:
        """Cover these rows: they no longer count for any row within reach of them."""
        self._covered[rows] = True
        step = max(1, 2**22 // max(1, -(-len(self._graph) // self.rows)))
        for part in rows.split(step):
            self._degree -= torch.bincount(self._within(part), minlength=self.rows)

    def _within(self, rows: Tensor) -> Tensor:
        return self._graph.partner[self._graph.entries(rows)[1]].to(torch.int64)


def _ball_graph(features: Tensor, delta: float, graph_bytes: int, chunk_bytes: int) -> PairLists:
    """For every row the rows closer than δ, itself included."""
    total = features.shape[0]
    distances = DistanceBounds(features, chunk_bytes=chunk_bytes)
    sample = torch.arange(0, total, -(-total // _SAMPLE), device=features.device)
    limit = delta**2 / distances.unit
    near = sum(int((lower < limit).sum()) for _, lower in distances.tiles(sample, TILE))
    expected = near / len(sample) * total
    if expected * _EDGE_BYTES > 1.25 * graph_bytes:
        raise _too_large(delta, f"about {expected:.3g}", expected, graph_bytes)
    builder = PairListsBuilder(total)
    empty = torch.empty(0, device=features.device)
    for rows, columns, tile in distances.half_tiles(TILE):
        row, column = true_entries(tile < limit * (1 + 2.0**-20))
        row, column = row + rows.start, column + columns.start
        unsure = tile[row - rows.start, column - columns.start] + distances.gap(row, column)
        unsure = (unsure >= limit * (1 - 2.0**-20)).nonzero()[:, 0]
        if len(unsure):
            points = features[rows].to(torch.float64)
            exact = pair_distances(points, features, row[unsure] - rows.start, column[unsure])
            keep = torch.ones(len(row), dtype=torch.bool, device=row.device)
            keep[unsure] = exact < delta**2
            row, column = row[keep], column[keep]
        builder.add(columns.start, column - columns.start, row, empty)
        if rows != columns:
            builder.add(rows.start, row - rows.start, column, empty)
        if builder.pairs * _EDGE_BYTES > graph_bytes:
            raise _too_large(delta, f"more than {builder.pairs}", builder.pairs, graph_bytes)
    return builder.finish()


def _too_large(delta: float, edges: str, count: float, graph_bytes: int) -> MemoryError:
    return MemoryError(
        f"the graph of delta={delta:g} has {edges} edges, {count * _EDGE_BYTES / 2**30:.2f} GiB at its peak, but "
        f"graph_bytes allows {graph_bytes / 2**30:.2f} GiB: choose a smaller delta or allow more"
    )


def _check_delta(delta: float) -> None:
    if not (delta > 0 and math.isfinite(delta)):
        raise ValueError(f"delta must be positive and finite, got {delta}")


@detached
def purity_delta(
    features: Tensor,
    num_classes: int,
    rng: Generator,
    *,
    purity: float = 0.95,
    chunk_bytes: int = DEFAULT_CHUNK_BYTES,
) -> float:
    """Largest δ for which at least a share `purity` of the open δ-balls hold one pseudo-label only.

    Pseudo-labels are the clusters of k-means with as many clusters as classes. The ball of a row is pure up to the
    distance of the nearest row with another label, so that the largest δ is an order statistic of these distances:
    found exactly, without the grid of the paper.

    Parameters
    ----------
    features: (N, d) floating point, N >= 2.
    num_classes: number of clusters, 2 <= num_classes <= N.
    rng: source of randomness of k-means.
    purity: share of balls that must be pure, in (0, 1]; 0.95 in the paper.
    chunk_bytes: bound on temporary memory. It does not change the result.

    Returns
    -------
    δ, in units of the features.

    Raises
    ------
    ValueError
        Not finite, arguments out of range, or no positive δ (too many duplicates for the number of clusters).

    Complexity: that of `k_means`, and O(N² r) for the distances.
    Source: Yehuda et al. (2022, arXiv 2205.11320, section 3.3).
    """
    check_matrix(features, "features")
    total = features.shape[0]
    if not 2 <= num_classes <= total:
        raise ValueError(f"num_classes must be from 2 to the number of rows ({total}), got {num_classes}")
    if not 0 < purity <= 1:
        raise ValueError(f"purity must be in (0, 1], got {purity}")
    labels = k_means(features, num_classes, rng, chunk_bytes=chunk_bytes).labels
    squared = nearest_of_other_label(features, labels, chunk_bytes=chunk_bytes)
    # With open balls the m-th smallest distance leaves m balls impure at most.
    impure = min(total - 1, math.floor((1 - purity) * total + 1e-9))
    limit = float(squared.kthvalue(impure + 1).values)
    delta = math.sqrt(limit)
    if delta**2 > limit:  # rounding must not let the row at the limit into the ball
        delta = math.nextafter(delta, 0.0)
    if not 0 < delta < math.inf:
        raise ValueError(
            f"no positive delta has purity {purity:g}: the features fall into fewer than {num_classes} distinct rows "
            "or clusters; give delta or use fewer classes"
        )
    return delta
