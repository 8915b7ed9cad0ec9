"""Graph cut: rows similar to all, dissimilar to each other."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from labelbench_plus.algorithms.blocks.checks import check_count, check_matrix
from labelbench_plus.algorithms.blocks.detached import detached
from labelbench_plus.algorithms.blocks.distance_bounds import DistanceBounds
from labelbench_plus.algorithms.blocks.lazy_greedy import lazy_greedy
from labelbench_plus.algorithms.blocks.pairwise import DEFAULT_CHUNK_BYTES, row_chunks, squared_distances
from labelbench_plus.algorithms.blocks.similarity import Rbf, Similarity, check_centers

_TILE = 1024
_DOWN = 1.0 - 2.0**-14  # makes a single-precision similarity a lower bound


@detached
def graph_cut(
    features: Tensor,
    n: int,
    *,
    trade_off: float = 2.0,
    centers: Tensor | None = None,
    similarity: Similarity = Rbf(),  # noqa: B008 (frozen)
    chunk_bytes: int = DEFAULT_CHUNK_BYTES,
) -> Tensor:
    """Pick `n` rows that greedily maximise f(S) = λ Σ_{i ∈ V} Σ_{j ∈ S} w_ij − Σ_{i, j ∈ S} w_ij.

    V holds the features and the centers, and S starts as the centers. The second sum runs over ordered pairs and
    over j with itself, so that the gain of a row j is λ Σ_{i ∈ V} w_ij − 2 Σ_{i ∈ S} w_ij − w_jj.

    Parameters
    ----------
    features: (N, d) floating point: the rows to pick from.
    n: how many to pick, 0 <= n <= N.
    trade_off: λ >= 0. f is submodular for any, and monotone for λ >= 2: then no pick can lower f, whatever S. Below
        2 rows that repeat others may cost more than they bring; greedy still picks n. Large λ favours rows that are
        typical and lets them repeat each other; small λ favours rows that are unlike those chosen.
    centers: (L, d) rows chosen already.
    similarity: w, `Rbf(...)` or `Cosine()`.
    chunk_bytes: bound on temporary memory. It does not change the result.

    Returns
    -------
    (n,) int64 row indices in pick order, on the device of the features.

    Raises
    ------
    ValueError
        Not finite, shapes that do not fit, n out of range, a negative λ, a zero row under `Cosine`.

    Complexity: exact greedy. O(N² d) time for one pass over all pairs in float64; then for each pick O(N r) to bound
    what it takes from the gains, r <= d + 3 the rank of `DistanceBounds`, and O(d) for each earlier pick and each
    candidate near the front, to know it exactly. O(N r + n d + chunk_bytes) memory.
    Ties: gains that differ by rounding only, less than about 1e-14 λ N, go to the lowest index.
    Guarantee: 1 − 1/e of the optimum for λ >= 2; none for less.
    Source: Iyer, Khargonkar, Bilmes and Asnani (2021, "Submodular combinatorial information measures with
    applications in machine learning", section 2, graph cut); lazy evaluation by Minoux (1978).
    """
    check_matrix(features, "features")
    check_count(n, features.shape[0])
    objective = GraphCut(features, trade_off=trade_off, centers=centers, similarity=similarity, chunk_bytes=chunk_bytes)
    return lazy_greedy(objective, n)


class GraphCut:
    """The objective of `graph_cut`, for `lazy_greedy` and (λ >= 2) `knapsack_greedy`."""

    tight = False
    block = 4
    patience = 0

    @detached
    def __init__(
        self,
        features: Tensor,
        *,
        trade_off: float = 2.0,
        centers: Tensor | None = None,
        similarity: Similarity = Rbf(),  # noqa: B008 (frozen)
        chunk_bytes: int = DEFAULT_CHUNK_BYTES,
    ) -> None:
        check_matrix(features, "features")
        if not (trade_off >= 0 and math.isfinite(trade_off)):
            raise ValueError(f"trade_off must be finite and not negative, got {trade_off}")
        centers = check_centers(features, centers)
        self.rows, self.device = features.shape[0], features.device
        self._trade_off, self._chunk_bytes = trade_off, chunk_bytes
        self._similarity = similarity.fit(features, centers)
        self._points = self._similarity.embed(features)
        self._centers = None if centers is None else self._similarity.embed(centers)
        everyone = self.rows + (0 if centers is None else centers.shape[0])
        self.tolerance = self._similarity.noise * (trade_off + 2.0) * everyone
        self._distances = DistanceBounds(self._points, chunk_bytes=chunk_bytes)
        self._own: Tensor | None = None

    def reset(self) -> None:
        self._picks = torch.empty(0, self._points.shape[1], dtype=torch.float64, device=self.device)
        self._picked = 0
        self._least = torch.zeros(self.rows, dtype=torch.float64, device=self.device)
        self._penalty = torch.zeros_like(self._least)
        self._seen = torch.zeros(self.rows, dtype=torch.int64, device=self.device)

    def sweep(self) -> Tensor:
        if self._own is None:
            self._own = self._gains_without_picks()
        return self._own - 2.0 * self._least

    def bounds(self, rows: Tensor) -> Tensor:
        assert self._own is not None
        return self._own[rows] - 2.0 * self._least[rows]

    def gains(self, rows: Tensor) -> Tensor:
        first = int(self._seen[rows].min())
        picks = self._picks[first : self._picked]
        unseen = torch.arange(first, self._picked, device=self.device) >= self._seen[rows, None]
        self._penalty[rows] += self._similarities(self._exact(self._points[rows]), picks).mul_(unseen).sum(dim=1)
        self._seen[rows] = self._picked
        self._least[rows] = self._penalty[rows]
        return self.bounds(rows)

    def add(self, row: int) -> None:
        if self._picked == len(self._picks):
            room = torch.empty(max(64, self._picked), self._picks.shape[1], dtype=torch.float64, device=self.device)
            self._picks = torch.cat([self._picks, room])
        self._picks[self._picked] = self._exact(self._points[row])
        self._picked += 1
        pick = torch.tensor([row], device=self.device)
        for chunk in row_chunks(self.rows, 16, self._chunk_bytes):
            largest = self._distances.lower(pick, chunk)[0] + self._distances.gap(pick, chunk)
            self._least[chunk] += self._similarity.of_distance(largest.mul_(self._distances.unit)).mul_(_DOWN)

    def _gains_without_picks(self) -> Tensor:
        total = torch.zeros(self.rows, dtype=torch.float64, device=self.device)
        starts = range(0, self.rows, _TILE)
        for first in starts:
            rows = slice(first, first + _TILE)
            points = self._exact(self._points[rows])
            for second in starts[first // _TILE :]:
                columns = slice(second, second + _TILE)
                tile = self._similarities(points, self._exact(self._points[columns]))
                total[columns] += tile.sum(dim=0)
                if second > first:
                    total[rows] += tile.sum(dim=1)
        gains = self._trade_off * total - 1.0
        if self._centers is not None:
            gains += (self._trade_off - 2.0) * self._to_centers(self._centers)
        return gains

    def _exact(self, points: Tensor) -> Tensor:
        """Centred, lest squared distances cancel, in float64."""
        return points.to(torch.float64) - self._distances.mean

    def _similarities(self, a: Tensor, b: Tensor) -> Tensor:
        return self._similarity.of_distance(squared_distances(a, b))

    def _to_centers(self, centers: Tensor) -> Tensor:
        """Sum of the similarities of every row to all centers."""
        total = torch.zeros(self.rows, dtype=torch.float64, device=self.device)
        for chunk in row_chunks(self.rows, 16 * self._points.shape[1], self._chunk_bytes):
            points = self._exact(self._points[chunk])
            for others in row_chunks(centers.shape[0], 16 * (centers.shape[1] + len(points)), self._chunk_bytes):
                total[chunk] += self._similarities(points, self._exact(centers[others])).sum(dim=1)
        return total
