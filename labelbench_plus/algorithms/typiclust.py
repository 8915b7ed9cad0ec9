"""TypiClust: the most typical row of every cluster that has no label yet."""

from __future__ import annotations

import heapq

import torch
from numpy.random import Generator
from torch import Tensor

from labelbench_plus.algorithms.blocks.checks import check_count, check_matrix
from labelbench_plus.algorithms.blocks.detached import detached
from labelbench_plus.algorithms.blocks.neighbours import nearest_neighbours
from labelbench_plus.algorithms.blocks.pairwise import DEFAULT_CHUNK_BYTES, row_sums
from labelbench_plus.algorithms.blocks.similarity import check_centers
from labelbench_plus.algorithms.k_means import k_means

# Typicalities closer than this, relative, are ties: the rounding of a mean must not choose between duplicates.
_TIE = 1e-12

_SMALL = 200  # rows up to which all pairs of a cluster cost less than a search


@detached
def typiclust(
    features: Tensor,
    n: int,
    rng: Generator,
    *,
    centers: Tensor | None = None,
    neighbours: int = 20,
    max_clusters: int = 500,
    min_cluster_size: int = 5,
    trials: int = 1,
    chunk_bytes: int = DEFAULT_CHUNK_BYTES,
) -> Tensor:
    """Pick `n` rows: again and again the most typical one of the largest cluster with the fewest labels.

    All rows, chosen and not, are clustered by k-means into min(L + n, `max_clusters`) clusters. The typicality of a
    row is one over its mean distance to its nearest rows within its cluster.

    Parameters
    ----------
    features: (N, d) floating point: the rows to pick from.
    n: how many to pick, 0 <= n <= N.
    rng: source of randomness of k-means.
    centers: (L, d) rows chosen already (labelled ones), which are not picked again.
    neighbours: K, how many nearest rows typicality is a mean over; one less than its size in a smaller cluster.
    max_clusters: upper bound on the number of clusters, at least 1.
    min_cluster_size: clusters with fewer rows (outliers) wait until no other has a row left.
    trials: rows drawn for each centre that k-means starts from, see `k_means`.
    chunk_bytes: bound on temporary memory. It does not change the result.

    Returns
    -------
    (n,) int64 row indices in pick order, on the device of the features.

    Raises
    ------
    ValueError
        Not finite, shapes that do not fit, arguments out of range.

    Notes
    -----
    Typicality is computed once from all rows of the cluster, as the paper defines it; its authors' program leaves
    out rows with labels and, in a cluster visited again, those picked before, takes half of a small cluster as
    neighbours and goes round the clusters in the order of the start. The largest cluster with the fewest labels,
    picks included, comes next here; clusters of equal standing come in the order of k-means.

    Complexity: that of `k_means` on a copy of all rows, and O(m² r) for the neighbours in a cluster of m rows, of
    visited clusters only.
    Ties: equal typicality to rounding goes to the lowest index.
    Source: Hacohen, Dekel and Weinshall (2022, arXiv 2202.02794, section 3, Algorithm 1); K = 20, at most 500
    clusters and small clusters set aside are its authors' choices.
    """
    check_matrix(features, "features")
    total = features.shape[0]
    check_count(n, total)
    if neighbours < 1 or max_clusters < 1:
        raise ValueError(f"neighbours and max_clusters must be at least 1, got {neighbours} and {max_clusters}")
    centers = check_centers(features, centers)
    if n == 0:
        return torch.empty(0, dtype=torch.int64, device=features.device)
    everyone = features if centers is None else torch.cat([features, centers])
    clusters = min(len(everyone) - total + n, max_clusters)
    labels = k_means(everyone, clusters, rng, trials=trials, chunk_bytes=chunk_bytes).labels
    sizes = torch.bincount(labels, minlength=clusters).tolist()
    labelled = torch.bincount(labels[total:], minlength=clusters).tolist()
    members = labels.argsort(stable=True).split(sizes)
    queue = [
        (size < min_cluster_size, labelled[cluster], -size, cluster)
        for cluster, size in enumerate(sizes)
        if size > labelled[cluster]
    ]
    heapq.heapify(queue)
    waiting: dict[int, list[int]] = {}
    picks: list[int] = []
    while len(picks) < n:
        small, labels_in, negative_size, cluster = heapq.heappop(queue)
        if cluster not in waiting:
            waiting[cluster] = _by_typicality(everyone, members[cluster], total, neighbours, chunk_bytes)
        picks.append(waiting[cluster].pop())
        if waiting[cluster]:
            heapq.heappush(queue, (small, labels_in + 1, negative_size, cluster))
    return torch.tensor(picks, dtype=torch.int64, device=features.device)


def _by_typicality(everyone: Tensor, members: Tensor, total: int, neighbours: int, chunk_bytes: int) -> list[int]:
    """The rows of a cluster that may be picked, most typical last."""
    rows, k = everyone[members], min(neighbours, len(members) - 1)
    if len(members) <= _SMALL:
        exact = rows.to(torch.float64)
        pairs = torch.cdist(exact, exact, compute_mode="donot_use_mm_for_euclid_dist").fill_diagonal_(torch.inf)
        distance = row_sums(pairs.topk(k, dim=1, largest=False).values)
    else:
        near = nearest_neighbours(rows, k, chunk_bytes=chunk_bytes)
        distance = row_sums(near.squared_distances.sqrt())
    free = members < total
    members, distance = members[free], distance[free]
    # Equal distances to rounding form runs in the sorted order; within a run the lowest index comes first.
    order = distance.argsort(stable=True)
    ranked = distance[order]
    run = torch.zeros_like(order)
    run[1:] = (ranked[1:] > ranked[:-1] * (1.0 + _TIE)).cumsum(0)
    by_row = torch.empty_like(run).scatter_(0, order, run)
    return members[by_row.argsort(stable=True)].flip(0).tolist()
