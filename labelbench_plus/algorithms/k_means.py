"""k-means clustering: Lloyd's algorithm from a k-means++ start."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from numpy.random import Generator
from torch import Tensor

from labelbench_plus.algorithms.blocks.checks import check_finite, check_matrix
from labelbench_plus.algorithms.blocks.detached import detached
from labelbench_plus.algorithms.blocks.distance_bounds import DistanceBounds, true_entries
from labelbench_plus.algorithms.blocks.neighbours import pair_distances
from labelbench_plus.algorithms.blocks.pairwise import DEFAULT_CHUNK_BYTES, exact_squared_distances, row_chunks
from labelbench_plus.algorithms.d2_sampling import k_means_pp
from labelbench_plus.algorithms.greedy_seeding import greedy_k_means_pp


@dataclass(frozen=True)
class KMeans:
    """A clustering.

    labels: (N,) int64 cluster of every row, the nearest centre.
    centers: (K, d) float64.
    inertia: Σ_i w_i ‖x_i − centre of i‖².
    iterations: how many times the centres moved.
    """

    labels: Tensor
    centers: Tensor
    inertia: float
    iterations: int


@detached
def k_means(
    features: Tensor,
    num_clusters: int,
    rng: Generator,
    *,
    weights: Tensor | None = None,
    trials: int = 1,
    max_iterations: int = 300,
    tolerance: float = 1e-4,
    chunk_bytes: int = DEFAULT_CHUNK_BYTES,
) -> KMeans:
    """Partition the rows into `num_clusters` clusters of small (weighted) variance.

    Lloyd's iterations from one k-means++ start, until no row changes its cluster, or the centres move by less than
    the tolerance. Rows are assigned exactly: bounds discard centres that cannot be the nearest, distances in float64
    decide between the others. A cluster that loses all its rows takes over the row that adds most to the inertia.

    Parameters
    ----------
    features: (N, d) floating point.
    num_clusters: K, 1 <= K <= N. With fewer distinct rows than K some clusters stay empty.
    rng: source of randomness, of the start alone.
    weights: (N,) w_i >= 0; default 1. Rows of weight zero are assigned but do not pull. The start is drawn in
        proportion to w_i D_i².
    trials: rows drawn for each centre of the start, of which the best is taken: `greedy_k_means_pp`. More of them, such
        as the 2 + ⌊log K⌋ of scikit-learn, lead to less inertia and take longer.
    max_iterations: upper bound on the iterations.
    tolerance: the iterations stop when Σ_k ‖shift of centre k‖² falls below this times the mean variance of a
        feature, scikit-learn's rule.
    chunk_bytes: bound on temporary memory. It does not change the result.

    Raises
    ------
    ValueError
        Not finite, shapes that do not fit, K out of range, a negative weight or no positive one.

    Complexity: O(N K r) time an iteration, r <= d + 3 the rank of `DistanceBounds`, and O(d) for every row whose
    cluster changed its rows; O(N r + K d) memory. The same result for any number of threads on a CPU; on a GPU sums
    are taken in no fixed order, which may move centres by rounding.
    Ties: the lowest cluster; for the row that a lost cluster takes over, the lowest index.
    Source: Lloyd (1982, "Least squares quantization in PCM"); Arthur and Vassilvitskii (2007) for the start.
    """
    check_matrix(features, "features")
    total = features.shape[0]
    if not 1 <= num_clusters <= total:
        raise ValueError(f"num_clusters must be from 1 to the number of rows ({total}), got {num_clusters}")
    weight = torch.ones(total, dtype=torch.float64, device=features.device)
    if weights is not None:
        if weights.shape != features.shape[:1]:
            raise ValueError(f"weights must be one per row, ({total},), got shape {tuple(weights.shape)}")
        weight = check_finite(weights, "weights").to(device=features.device, dtype=torch.float64)
        if bool((weight < 0).any()) or not bool((weight > 0).any()):
            raise ValueError("weights must not be negative, and one at least must be positive")
    if trials == 1:
        start = k_means_pp(features, num_clusters, rng, weights=weights, chunk_bytes=chunk_bytes)
    else:
        start = greedy_k_means_pp(features, num_clusters, rng, trials=trials, weights=weights, chunk_bytes=chunk_bytes)
    state = _Lloyd(features, weight, start, chunk_bytes)
    smallest = tolerance * state.mean_variance()
    iterations = 0
    changed = state.assign()
    while changed and iterations < max_iterations:
        shift = state.move()
        iterations += 1
        changed = state.assign()
        if shift <= smallest:
            break
    inertia = float((state.own_distances() * weight).sum())
    return KMeans(labels=state.labels, centers=state.centers, inertia=inertia, iterations=iterations)


class _Lloyd:
    def __init__(self, features: Tensor, weight: Tensor, start: Tensor, chunk_bytes: int) -> None:
        self._features, self._weight, self._chunk_bytes = features, weight, chunk_bytes
        self._bounds = DistanceBounds(features, chunk_bytes=chunk_bytes)
        self.centers = features[start].to(torch.float64)
        self.labels = torch.full((len(features),), -1, dtype=torch.int64, device=features.device)
        self._dirty = torch.ones(len(start), dtype=torch.bool, device=features.device)

    def mean_variance(self) -> float:
        share = self._weight / self._weight.sum()
        mean = self._bounds.mean
        variance = torch.zeros_like(mean)
        shift = torch.zeros_like(mean)
        for rows in row_chunks(len(self._features), 16 * self._features.shape[1], self._chunk_bytes):
            centred = self._features[rows].to(torch.float64) - mean
            shift += share[rows] @ centred
            variance += share[rows] @ centred.square_()
        return float((variance - shift.square()).mean())

    def assign(self) -> bool:
        """Assign every row to its nearest centre; returns whether any row moved."""
        before = self.labels
        self.labels = self._nearest()
        self._fill_empty()
        moved = (self.labels != before).nonzero()[:, 0]
        self._dirty.zero_()
        self._dirty[self.labels[moved]] = True
        self._dirty[before[moved].clamp(min=0)] = True
        return len(moved) > 0

    def move(self) -> float:
        """Put centres to the means of their rows; Σ ‖shift‖²."""
        rows = self._dirty[self.labels].nonzero()[:, 0]
        sums = torch.zeros_like(self.centers)
        mass = torch.zeros(len(sums), dtype=torch.float64, device=sums.device)
        for chunk in row_chunks(len(rows), 24 * self._features.shape[1], min(self._chunk_bytes, 2**20)):
            part = rows[chunk]
            labels, weight = self.labels[part], self._weight[part]
            sums.index_add_(0, labels, self._features[part].to(torch.float64).mul_(weight[:, None]))
            mass.index_add_(0, labels, weight)
        pulled = (mass > 0).nonzero()[:, 0]
        means = sums[pulled] / mass[pulled, None]
        shift = float((means - self.centers[pulled]).square().sum())
        self.centers[pulled] = means
        return shift

    def own_distances(self) -> Tensor:
        out = torch.empty_like(self._weight)
        for rows in row_chunks(len(out), 16 * self._features.shape[1], self._chunk_bytes):
            out[rows] = exact_squared_distances(self._features[rows], self.centers[self.labels[rows]])
        return out

    def _nearest(self) -> Tensor:
        bounds = self._bounds.against(self.centers)
        labels = torch.empty_like(self.labels)
        for rows in row_chunks(len(labels), 8 * len(self.centers), min(self._chunk_bytes, 2**22)):
            lower = bounds.lower(rows, slice(None))
            least, nearest = lower.min(dim=1)
            row, center = true_entries(lower <= (least + bounds.gap(rows, nearest))[:, None])
            several = (torch.bincount(row, minlength=len(nearest)) > 1)[row]
            row, center = row[several], center[several]
            if len(row):
                distance = pair_distances(self.centers, self._features[rows], center, row)
                best = torch.full(nearest.shape, torch.inf, dtype=torch.float64, device=row.device)
                best.scatter_reduce_(0, row, distance, "amin")
                winner = distance == best[row]
                nearest[row[winner]] = len(self.centers)
                nearest.scatter_reduce_(0, row[winner], center[winner], "amin")
            labels[rows] = nearest
        return labels

    def _fill_empty(self) -> None:
        """Give each cluster without a row the one that adds most to the inertia, from clusters that can spare it."""
        counts = torch.bincount(self.labels, minlength=len(self.centers))
        empty = (counts == 0).nonzero()[:, 0].tolist()
        if not empty:
            return
        cost = self.own_distances() * self._weight
        for cluster in empty:
            costs = cost.masked_fill(counts[self.labels] <= 1, 0.0)
            row = int(costs.argmax())
            if costs[row] == 0:  # duplicates: nothing would be gained
                return
            counts[self.labels[row]] -= 1
            counts[cluster] = 1
            self.labels[row] = cluster
            cost[row] = 0.0
