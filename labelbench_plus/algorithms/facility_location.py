"""Facility location: the rows that represent all rows best."""

from __future__ import annotations

import torch
from torch import Tensor

from labelbench_plus.algorithms.blocks.checks import check_count, check_finite, check_matrix
from labelbench_plus.algorithms.blocks.detached import detached
from labelbench_plus.algorithms.blocks.distance_bounds import DistanceBounds, true_entries
from labelbench_plus.algorithms.blocks.lazy_greedy import lazy_greedy
from labelbench_plus.algorithms.blocks.neighbours import nearest_neighbours, pair_distances
from labelbench_plus.algorithms.blocks.pair_lists import TILE, PairLists, PairListsBuilder
from labelbench_plus.algorithms.blocks.pairwise import DEFAULT_CHUNK_BYTES, row_chunks, squared_distances
from labelbench_plus.algorithms.blocks.similarity import Rbf, Similarity, check_centers

GRAPH_BYTES = 256 * 2**20
"""Memory that the pairs which can still gain may take."""

_SAMPLE = 256  # candidates that the number of pairs is estimated from
_ENTRY_BYTES = 18  # of a pair while the lists are put together

# Single-precision values become upper bounds by these factors: of a similarity (rounding of the exponent and of its
# exponential) and of a sum of at most `TILE` of them.
_UP = 1.0 + 2.0**-14
_UP_SUM = 1.0 + 2.0**-12


@detached
def facility_location(
    features: Tensor,
    n: int,
    *,
    centers: Tensor | None = None,
    weights: Tensor | None = None,
    similarity: Similarity = Rbf(),  # noqa: B008 (frozen)
    graph_bytes: int = GRAPH_BYTES,
    chunk_bytes: int = DEFAULT_CHUNK_BYTES,
) -> Tensor:
    """Pick `n` rows that greedily maximise f(S) = Σ_i a_i max_{j ∈ S ∪ L} w(x_i, x_j).

    Parameters
    ----------
    features: (N, d) floating point: the rows to represent, and to pick from.
    n: how many to pick, 0 <= n <= N.
    centers: (L, d) rows that are chosen already (labelled ones); they represent others, but need not be represented.
    weights: (N,) a_i >= 0, how much it matters that row i is represented (weighted facility location); default 1.
    similarity: w, `Rbf(...)` or `Cosine()`.
    graph_bytes: bound on the memory of the graph described below. It does not change the result.
    chunk_bytes: bound on temporary memory. It does not change the result.

    Returns
    -------
    (n,) int64 row indices in pick order, on the device of the features.

    Raises
    ------
    ValueError
        Not finite, shapes that do not fit, n out of range, a negative weight, a zero row under `Cosine`.

    Notes
    -----
    Lazy greedy, exact. One pass of `DistanceBounds` over all pairs bounds the initial gains. A row i that is
    represented with similarity c_i can only gain from candidates closer than the distance at which w = c_i; as soon
    as these pairs fit into `graph_bytes` they are kept, and no similarity of any other pair is computed again. Until
    then (with few rows chosen, most pairs can gain) gains are computed from the features, and when the bounds are
    too flat to be of use, in further passes over all pairs.

    Complexity: O(N² r) time for a pass, r <= d + 3 the rank of the bounds; a few passes without centres, one with
    many. O(N r + graph_bytes + chunk_bytes) memory (and a float64 copy of the features under `Cosine`); never N².
    Ties: gains that differ by rounding only, less than about 1e-14 Σ a_i, go to the lowest index.
    Guarantee: 1 − 1/e of the optimum, f being monotone submodular.
    Source: Nemhauser, Wolsey and Fisher (1978), section 4; lazy evaluation by Minoux (1978); the weighted form for
    choosing what to label in Bhatt et al. (2024, arXiv 2401.06692).
    """
    check_matrix(features, "features")
    check_count(n, features.shape[0])
    if n == 0:
        return torch.empty(0, dtype=torch.int64, device=features.device)
    objective = FacilityLocation(
        features,
        centers=centers,
        weights=weights,
        similarity=similarity,
        graph_bytes=graph_bytes,
        chunk_bytes=chunk_bytes,
    )
    return lazy_greedy(objective, n)


class FacilityLocation:
    """The objective of `facility_location`, for `lazy_greedy` and `knapsack_greedy`. At least one row."""

    tight = False

    @detached
    def __init__(
        self,
        features: Tensor,
        *,
        centers: Tensor | None = None,
        weights: Tensor | None = None,
        similarity: Similarity = Rbf(),  # noqa: B008 (frozen)
        graph_bytes: int = GRAPH_BYTES,
        chunk_bytes: int = DEFAULT_CHUNK_BYTES,
    ) -> None:
        check_matrix(features, "features")
        centers = check_centers(features, centers)
        self.rows, self.device = features.shape[0], features.device
        self._weights = _check_weights(features, weights)
        self._similarity = similarity.fit(features, centers)
        self._points = self._similarity.embed(features)
        self._distances = DistanceBounds(self._points, chunk_bytes=chunk_bytes)
        self._graph_bytes, self._chunk_bytes = graph_bytes, chunk_bytes
        self.tolerance = self._similarity.noise * float(self._weights.sum())
        self._start = torch.zeros(self.rows, dtype=torch.float64, device=self.device)
        if centers is not None:
            distinct = self._similarity.embed(centers.unique(dim=0))  # equal centres would tie everywhere
            nearest = nearest_neighbours(self._points, 1, points=distinct, chunk_bytes=chunk_bytes)
            self._start = self._similarity.of_distance(nearest.squared_distances[:, 0])
        self._graph: PairLists | None = None
        self._graph_whole = True
        self._read = 0
        self._first_sweep: Tensor | None = None
        self.reset()

    @property
    def block(self) -> int:
        if self._graph is not None:
            return 4
        return max(1, min(16, self._chunk_bytes // (8 * self.rows)))

    @property
    def patience(self) -> int:
        return self.rows if self._graph is not None else max(64, self.rows // 16)

    def reset(self) -> None:
        self._covered = self._start.clone()
        self._evaluated: dict[int, tuple[Tensor | slice, Tensor]] = {}
        self._picked = 0
        if not self._graph_whole:  # it lacks pairs that count again now
            self._graph, self._graph_whole, self._first_sweep = None, True, None

    def sweep(self) -> Tensor:
        if self._picked == 0 and self._first_sweep is not None:
            return self._first_sweep.clone()
        result = self._build_graph() if self._pairs_fit() else None
        if result is None:
            result = self._dense_sweep()
        if self._picked == 0:
            self._first_sweep = result.clone()
        return result

    def bounds(self, rows: Tensor) -> Tensor:
        if self._graph is not None:
            segment, row, upper = self._pairs(rows)
            gains = (upper.to(torch.float64) - self._covered[row]).clamp_(min=0).mul_(self._weights[row])
            return _segment_sums(gains, segment, len(rows))
        total = torch.zeros(len(rows), dtype=torch.float64, device=self.device)
        weights, scale = self._single_weights()
        covered = self._single_covered()
        for chunk, lower in self._distances.tiles(rows, max(1, self._chunk_bytes // (8 * len(rows)))):
            gains = self._upper(lower).sub_(covered[chunk]).clamp_(min=0)
            total += (gains @ weights[chunk]).to(torch.float64)
        return total.mul_(scale * max(_UP_SUM, 1.0 + 2.0**-22 * self.rows))

    def gains(self, rows: Tensor) -> Tensor:
        if self._graph is not None:
            return self._graph_gains(rows)
        mean = self._distances.mean
        candidates = self._points[rows].to(torch.float64) - mean
        columns = torch.empty(len(rows), self.rows, dtype=torch.float64, device=self.device)
        total = torch.zeros(len(rows), dtype=torch.float64, device=self.device)
        for chunk in row_chunks(self.rows, 16 * (self._points.shape[1] + len(rows)), self._chunk_bytes):
            points = self._points[chunk].to(torch.float64) - mean
            columns[:, chunk] = self._similarity.of_distance(squared_distances(candidates, points))
            total += (columns[:, chunk] - self._covered[chunk]).clamp_(min=0) @ self._weights[chunk]
        for position, row in enumerate(rows.tolist()):
            self._evaluated[row] = (slice(None), columns[position])
        return total

    def add(self, row: int) -> None:
        represented, similarity = self._evaluated[row]
        self._covered[represented] = torch.maximum(self._covered[represented], similarity)
        self._evaluated = {}
        self._picked += 1

    def _pairs(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(position in `rows`, the row it may represent, upper bound on their similarity) of all pairs that count."""
        graph = self._graph
        assert graph is not None
        segment, entries = graph.entries(rows)
        self._read += len(entries)
        if self._read > 2 * len(graph):
            # As many pairs were read as the graph holds: dropping those without a gain costs no more than that.
            graph.keep(self._covered)
            self._graph_whole, self._read = False, 0
            segment, entries = graph.entries(rows)
        return segment, graph.partner[entries].to(torch.int64), graph.values[entries]

    def _graph_gains(self, rows: Tensor) -> Tensor:
        segment, row, upper = self._pairs(rows)
        active = upper > self._covered[row]
        segment, row = segment[active], row[active]
        candidates = self._points[rows].to(torch.float64)
        similarity = self._similarity.of_distance(pair_distances(candidates, self._points, segment, row))
        gains = (similarity - self._covered[row]).clamp_(min=0).mul_(self._weights[row])
        ends = torch.bincount(segment, minlength=len(rows)).cumsum(0).tolist()
        start = 0
        for candidate, end in zip(rows.tolist(), ends, strict=True):
            self._evaluated[candidate] = (row[start:end], similarity[start:end])
            start = end
        return _segment_sums(gains, segment, len(rows))

    def _upper(self, lower: Tensor) -> Tensor:
        """Upper bounds on similarities from lower bounds on distances, in place."""
        return self._similarity.of_distance(lower.mul_(self._distances.unit)).mul_(_UP)

    def _single_covered(self) -> Tensor:
        return (self._covered / _UP).to(self._distances.dtype)

    def _single_weights(self) -> tuple[Tensor, float]:
        """Weights over the largest, in single precision, and the largest: any magnitude is then in range."""
        scale = float(self._weights.max())
        return (self._weights / (scale or 1.0)).to(self._distances.dtype), scale

    def _reach(self) -> Tensor:
        """Distance below which a candidate may gain from each row, in the units of the bounds, rounded up."""
        reach = self._similarity.reach(self._covered) * ((1.0 + 2.0**-20) / self._distances.unit)
        return reach.masked_fill_(self._weights == 0, -torch.inf).to(self._distances.dtype)

    def _pairs_fit(self) -> bool:
        sample = torch.arange(0, self.rows, -(-self.rows // _SAMPLE), device=self.device)
        reach = self._reach()
        pairs = 0
        for chunk, lower in self._distances.tiles(sample, TILE):
            pairs += int((lower < reach[chunk]).sum())
        return pairs / len(sample) * self.rows * _ENTRY_BYTES < 0.8 * self._graph_bytes

    def _build_graph(self) -> Tensor | None:
        """Keep all pairs that can gain and return the bounds on the gains, or None if they do not fit after all."""
        reach = self._reach()
        builder = PairListsBuilder(self.rows)
        for rows, columns, tile in self._distances.half_tiles(TILE):
            row, column = true_entries(tile < reach[rows, None])
            builder.add(columns.start, column, row + rows.start, self._upper(tile[row, column]))
            if rows != columns:
                row, column = true_entries(tile < reach[columns])
                builder.add(rows.start, row, column + columns.start, self._upper(tile[row, column]))
            if builder.pairs * _ENTRY_BYTES > self._graph_bytes:
                return None
        self._graph, self._graph_whole = builder.finish(), self._picked == 0
        gains = torch.empty(self.rows, dtype=torch.float64, device=self.device)
        for chunk in row_chunks(self.rows, 40 * -(-len(self._graph) // self.rows), self._chunk_bytes):
            gains[chunk] = self.bounds(torch.arange(chunk.start, chunk.stop, device=self.device))
        self._read = 0
        return gains

    def _dense_sweep(self) -> Tensor:
        """Bounds on all gains by one pass over all pairs, each looked at once."""
        total = torch.zeros(self.rows, dtype=torch.float64, device=self.device)
        weights, scale = self._single_weights()
        covered = self._single_covered()
        for rows, columns, tile in self._distances.half_tiles(TILE):
            upper = self._upper(tile)
            total[columns] += weights[rows] @ (upper - covered[rows, None]).clamp_(min=0)
            if rows != columns:
                total[rows] += upper.sub_(covered[columns]).clamp_(min=0) @ weights[columns]
        return total.mul_(scale * _UP_SUM)


def _segment_sums(values: Tensor, segment: Tensor, segments: int) -> Tensor:
    return torch.zeros(segments, dtype=torch.float64, device=values.device).index_add_(0, segment, values)


def _check_weights(features: Tensor, weights: Tensor | None) -> Tensor:
    if weights is None:
        return torch.ones(features.shape[0], dtype=torch.float64, device=features.device)
    if weights.shape != features.shape[:1]:
        raise ValueError(f"weights must be one per row, ({features.shape[0]},), got shape {tuple(weights.shape)}")
    check_finite(weights, "weights")
    if bool((weights < 0).any()):
        raise ValueError(f"weights must not be negative, but row {int((weights < 0).nonzero()[0])} is")
    return weights.to(device=features.device, dtype=torch.float64)


@detached
def sparse_facility_location(
    features: Tensor,
    n: int,
    *,
    neighbours: int = 64,
    centers: Tensor | None = None,
    weights: Tensor | None = None,
    similarity: Similarity = Rbf(),  # noqa: B008 (frozen)
    chunk_bytes: int = DEFAULT_CHUNK_BYTES,
) -> Tensor:
    """Facility location in which a row is represented by itself and its nearest rows only: an approximation.

    Maximises Σ_i a_i max(c_i, max_{j ∈ S ∩ ({i} ∪ kNN(i))} w(x_i, x_j)), c_i the largest similarity to any centre,
    near or far. With `neighbours` >= N − 1 this is `facility_location`. The greedy and the graph are exact; what is
    given up are similarities beyond the nearest neighbours, hence the notion of a row that represents many from
    afar: once every row is represented nearby, further picks have no gain and go to the lowest index.

    Parameters
    ----------
    neighbours: how many nearest rows besides itself may represent a row, at least 1; all rows if there are fewer.
    The others: see `facility_location`, as are the errors.

    Returns
    -------
    (n,) int64 row indices in pick order, on the device of the features.

    Complexity: the exact `nearest_neighbours` graph, then O(N k) and O(pairs changed) for a pick; 24 N k bytes.
    Ties: as in `facility_location`.
    Source: Wei, Iyer and Bilmes (2014), "Fast multi-stage submodular maximization", section 3 (graph pruning).
    """
    check_matrix(features, "features")
    check_count(n, features.shape[0])
    if n == 0:
        return torch.empty(0, dtype=torch.int64, device=features.device)
    objective = SparseFacilityLocation(
        features,
        neighbours=neighbours,
        centers=centers,
        weights=weights,
        similarity=similarity,
        chunk_bytes=chunk_bytes,
    )
    return lazy_greedy(objective, n)


class SparseFacilityLocation:
    """The objective of `sparse_facility_location`: all gains are kept up to date. At least one row."""

    block = 1
    patience = 0
    tight = True

    @detached
    def __init__(
        self,
        features: Tensor,
        *,
        neighbours: int = 64,
        centers: Tensor | None = None,
        weights: Tensor | None = None,
        similarity: Similarity = Rbf(),  # noqa: B008 (frozen)
        chunk_bytes: int = DEFAULT_CHUNK_BYTES,
    ) -> None:
        check_matrix(features, "features")
        if neighbours < 1:
            raise ValueError(f"neighbours must be at least 1, got {neighbours}")
        centers = check_centers(features, centers)
        self.rows, self.device = features.shape[0], features.device
        self._weights = _check_weights(features, weights)
        fitted = similarity.fit(features, centers)
        points = fitted.embed(features)
        self.tolerance = fitted.noise * float(self._weights.sum())
        graph = nearest_neighbours(points, min(neighbours, self.rows - 1), chunk_bytes=chunk_bytes)
        itself = torch.arange(self.rows, device=self.device)[:, None]
        self._nearest = torch.cat([itself, graph.indices], dim=1)
        at_itself = fitted.of_distance(torch.zeros(self.rows, 1, dtype=torch.float64, device=self.device))
        self._similarity = torch.cat([at_itself, fitted.of_distance(graph.squared_distances)], dim=1)
        self._entries = self._nearest.flatten().argsort(stable=True)
        self._counts = torch.bincount(self._nearest.flatten(), minlength=self.rows)
        self._starts = self._counts.cumsum(0) - self._counts
        self._start = torch.zeros(self.rows, dtype=torch.float64, device=self.device)
        if centers is not None:
            distinct = fitted.embed(centers.unique(dim=0))
            nearest = nearest_neighbours(points, 1, points=distinct, chunk_bytes=chunk_bytes)
            self._start = fitted.of_distance(nearest.squared_distances[:, 0])
        self.reset()

    def reset(self) -> None:
        self._covered = self._start.clone()
        self._gains = torch.zeros(self.rows, dtype=torch.float64, device=self.device)
        every = torch.arange(self.rows, device=self.device)
        self._accumulate(every, torch.full_like(self._covered, torch.inf), 1.0)

    def sweep(self) -> Tensor:
        return self._gains.clone()

    def bounds(self, rows: Tensor) -> Tensor:
        return self._gains[rows]

    def gains(self, rows: Tensor) -> Tensor:
        return self._gains[rows]

    def add(self, row: int) -> None:
        start = int(self._starts[row])
        entries = self._entries[start : start + int(self._counts[row])]
        width = self._nearest.shape[1]
        represented = torch.div(entries, width, rounding_mode="floor")
        similarity = self._similarity[represented, entries % width]
        better = similarity > self._covered[represented]
        represented, similarity = represented[better], similarity[better]
        self._accumulate(represented, similarity, -1.0)
        self._covered[represented] = similarity

    def _accumulate(self, rows: Tensor, limit: Tensor, sign: float) -> None:
        """Add what the candidates near these rows gain from them between what is covered and the limit."""
        for chunk in row_chunks(len(rows), 24 * self._nearest.shape[1]):
            row = rows[chunk]
            covered = self._covered[row, None]
            part = torch.minimum(self._similarity[row], limit[chunk, None]).sub_(covered).clamp_(min=0)
            part.mul_(sign * self._weights[row, None])
            self._gains.index_add_(0, self._nearest[row].flatten(), part.flatten())
