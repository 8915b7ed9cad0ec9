"""Cluster-Margin: the least certain rows, taken in turn from their clusters."""

from __future__ import annotations

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from labelbench_plus.algorithms.blocks.checks import check_count, check_matrix
from labelbench_plus.algorithms.blocks.detached import detached
from labelbench_plus.algorithms.blocks.pairwise import row_chunks
from labelbench_plus.algorithms.k_means import k_means
from labelbench_plus.algorithms.uncertainty import top_scores

MEMORY_LIMIT = 2 * 2**30
CHUNK_BYTES = 16 * 2**20


@detached
def cluster_margin(
    margins: Tensor, clusters: Tensor, n: int, rng: Generator, *, shortlist: int | None = None
) -> Tensor:
    """Pick from the rows of smallest margin in turn from every cluster, the smallest cluster first (step 2).

    The `shortlist` rows of smallest margin are grouped by cluster and the clusters sorted by how many of these rows
    they hold. Each round takes one random remaining row of every cluster that has one left, the smallest cluster
    first, until the batch is full.

    Parameters
    ----------
    margins: (N,) real numbers, smaller is less certain (`uncertainty.margin`).
    clusters: (N,) integer cluster of every row, from step 1 (`average_linkage`), which is done once for a pool.
    n: batch size, 0 <= n <= N.
    rng: consumed for one permutation of the shortlist.
    shortlist: how many rows of smallest margin to choose from, n <= shortlist <= N; by default 10 n, at most N.

    Returns
    -------
    (n,) long row indices in the order picked, on the device of `margins`.

    Raises
    ------
    ValueError
        Margins that are not a finite vector, clusters that do not fit them, n or shortlist out of range.

    Complexity: O(N + shortlist log shortlist) time, O(N) memory. Ties: equal margins at the end of the shortlist, the
    lowest row; clusters of one size, the lowest number first.
    Source: Citovsky et al. (2021, arXiv 2107.14263, algorithm 2). Our reading: clusters are sorted by their size
    within the shortlist; the paper's experiments use shortlists of 1.25 n to 10 n.
    """
    check_count(n, margins.shape[0])
    size = min(10 * n, margins.shape[0]) if shortlist is None else shortlist
    if not n <= size <= margins.shape[0]:
        raise ValueError(f"shortlist must be between n = {n} and {margins.shape[0]} rows, got {size}")
    if clusters.shape != margins.shape or clusters.is_floating_point():
        raise ValueError(
            f"clusters must be integers, one per margin {tuple(margins.shape)}, "
            f"got {clusters.dtype} {tuple(clusters.shape)}"
        )
    rows = top_scores(margins, size, largest=False).cpu().numpy()
    rows = rows[rng.permutation(size)]
    numbers, member_of, sizes = np.unique(clusters.cpu().numpy()[rows], return_inverse=True, return_counts=True)
    by_cluster = np.argsort(member_of, kind="stable")
    # The round in which a row is taken is its place in its cluster's shuffled order.
    rounds = np.empty(size, dtype=np.int64)
    rounds[by_cluster] = np.arange(size) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    order = np.lexsort((numbers[member_of], sizes[member_of], rounds))[:n]
    return torch.from_numpy(rows[order]).to(margins.device)


@detached
def average_linkage(features: Tensor, n_clusters: int, *, memory_limit: int = MEMORY_LIMIT) -> Tensor:
    """Cut the exact average-linkage dendrogram of all rows into `n_clusters` clusters (step 1).

    The dissimilarity of two clusters is the mean squared Euclidean distance of their pairs of rows; for unit rows
    that is twice the mean of one minus the cosine. Agglomeration follows nearest-neighbour chains, which gives the
    dendrogram of always merging the closest pair.

    Parameters
    ----------
    features: (N, d) floating point.
    n_clusters: how many, 1 <= n_clusters <= N. (The paper cuts at a distance instead, chosen for a cluster size.)
    memory_limit: bytes this may take; 8 N^2 are needed for all pairs of distances.

    Returns
    -------
    (N,) long cluster of every row, numbered by first appearance, on the device of `features`.

    Raises
    ------
    ValueError
        Features that are not a finite matrix, n_clusters out of range, or more memory needed than allowed: the
        message names `average_linkage_of_groups`.

    Complexity: O(N^2 d) time for the distances and O(N^2) for the merges, on the host; memory as above. Ties: merges
    of equal height are made in the order in which chains from the lowest row find them.
    Source: Citovsky et al. (2021, arXiv 2107.14263, section 3); Müllner (2011, arXiv 1109.2378, algorithm
    "NN-chain").
    """
    _check(features, n_clusters)
    rows = features.shape[0]
    needed = 8 * rows**2
    if needed > memory_limit:
        raise ValueError(
            f"average linkage of {rows} rows needs {needed:,} bytes for their distances, memory_limit "
            f"allows {memory_limit:,}: use average_linkage_of_groups, or raise memory_limit"
        )
    points = features.detach().double().cpu().numpy()
    clusters = _agglomerate(points, np.zeros(rows), np.ones(rows), n_clusters)
    return torch.from_numpy(clusters).to(features.device)


@detached
def average_linkage_of_groups(
    features: Tensor,
    n_clusters: int,
    rng: Generator,
    *,
    n_groups: int = 4096,
    iterations: int = 5,
    memory_limit: int = MEMORY_LIMIT,
) -> Tensor:
    """Average linkage in bounded memory: k-means into small groups first, whole groups are agglomerated (step 1).

    An approximation of `average_linkage`: rows of one group are never separated. Given the groups nothing is
    approximated: the mean squared distance of the pairs of rows of two clusters follows from their sizes, means and
    variances. With n_groups >= N it is `average_linkage`.

    Parameters
    ----------
    features: (N, d) floating point.
    n_clusters: how many, 1 <= n_clusters <= min(N, n_groups); fewer come back if there are fewer distinct rows.
    rng: seeds k-means.
    n_groups: how many groups at most; 8 n_groups^2 bytes must fit the limit.
    iterations: of k-means. Groups need not be good clusters, only small.
    memory_limit: bytes the distances of the groups may take.

    Returns
    -------
    (N,) long cluster of every row, numbered by first appearance, on the device of `features`.

    Raises
    ------
    ValueError
        Features that are not a finite matrix, n_clusters out of range, or n_groups beyond the memory limit.

    Complexity: O(N n_groups d iterations) time, O(n_groups^2 + N d) memory. Ties: as in `average_linkage`.
    Source: Citovsky et al. (2021, arXiv 2107.14263, section 3); the grouping is ours.
    """
    _check(features, n_clusters)
    if not 0 < 8 * n_groups**2 <= memory_limit:
        raise ValueError(
            f"n_groups must be at least 1 and 8 n_groups^2 at most memory_limit = {memory_limit:,} bytes, "
            f"got {n_groups}"
        )
    if n_groups >= features.shape[0]:
        return average_linkage(features, n_clusters, memory_limit=memory_limit)
    if n_clusters > n_groups:
        raise ValueError(f"cannot make {n_clusters} clusters of {n_groups} groups: raise n_groups")
    grouping = k_means(features, n_groups, rng, max_iterations=iterations, tolerance=0.0)
    group, sizes = torch.unique(grouping.labels, return_inverse=True, return_counts=True)[1:]
    means, spread = _moments(features, group, sizes)
    merged = _agglomerate(means, spread, sizes.double().cpu().numpy(), n_clusters)
    return torch.from_numpy(_numbered_by_appearance(merged[group.cpu().numpy()])).to(features.device)


def _check(features: Tensor, n_clusters: int) -> None:
    check_matrix(features, "features")
    if not 1 <= n_clusters <= features.shape[0]:
        raise ValueError(f"n_clusters must be between 1 and {features.shape[0]} rows, got {n_clusters}")


def _moments(features: Tensor, group: Tensor, sizes: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """(groups, d) means, and (groups,) mean squared distances to them."""
    means = torch.zeros(sizes.shape[0], features.shape[1], dtype=torch.float64, device=features.device)
    spread = torch.zeros(sizes.shape[0], dtype=torch.float64, device=features.device)
    chunks = list(row_chunks(features.shape[0], 2 * 8 * features.shape[1], CHUNK_BYTES))
    for rows in chunks:
        means.index_add_(0, group[rows], features[rows].double())
    means /= sizes[:, None]
    for rows in chunks:
        offsets = features[rows].double() - means[group[rows]]
        spread.index_add_(0, group[rows], offsets.square_().sum(dim=1))
    return means.cpu().numpy(), (spread / sizes).cpu().numpy()


def _agglomerate(means: np.ndarray, spread: np.ndarray, sizes: np.ndarray, n_clusters: int) -> np.ndarray:
    """Average linkage of groups given by mean, mean squared distance to it, and size; returns cluster numbers."""
    distances = _mean_squared_distances(means, spread)
    merges = _nearest_neighbour_chains(distances, sizes.copy())
    # Each merge joins the clusters of two rows; any of them taken in the order of their heights, up to rounding,
    # leave as many clusters as rows less merges.
    merges.sort(key=lambda merge: merge[0])
    parent = list(range(means.shape[0]))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for _, first, second in merges[: max(0, means.shape[0] - n_clusters)]:
        parent[root(second)] = root(first)
    return _numbered_by_appearance(np.array([root(row) for row in range(means.shape[0])], dtype=np.int64))


def _mean_squared_distances(means: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """(m, m) mean squared distance between the rows of any two groups, infinite on the diagonal."""
    count = means.shape[0]
    step = max(1, CHUNK_BYTES // (8 * count))
    squares = (means * means).sum(axis=1)
    out = np.empty((count, count))
    for start in range(0, count, step):
        stop = min(start + step, count)
        block = means[start:stop] @ means[start:].T
        block *= -2
        block += squares[start:]
        block += squares[start:stop, None]
        np.maximum(block, 0, out=block)
        block += spread[start:]
        block += spread[start:stop, None]
        # Exactly symmetric, or chains could go round in circles.
        block[:, : stop - start] = (block[:, : stop - start] + block[:, : stop - start].T) / 2
        out[start:stop, start:] = block
        out[stop:, start:stop] = block[:, stop - start :].T
    np.fill_diagonal(out, np.inf)
    return out


def _nearest_neighbour_chains(distances: np.ndarray, sizes: np.ndarray) -> list[tuple[float, int, int]]:
    """All merges of average linkage as (height, a row of one cluster, a row of the other); uses up its arguments."""
    count = sizes.shape[0]
    merges: list[tuple[float, int, int]] = []
    gone = np.zeros(count, dtype=bool)
    chain: list[int] = []
    lowest = 0
    while len(merges) < count - 1:
        if not chain:
            while gone[lowest]:
                lowest += 1
            chain.append(lowest)
        last = chain[-1]
        nearest = int(distances[last].argmin())
        if len(chain) == 1 or distances[last, chain[-2]] > distances[last, nearest]:
            chain.append(nearest)
            continue
        # The end of the chain and the one before it are nearest to each other, and stay so whatever else merges.
        before = chain[-2]
        del chain[-2:]
        keep, drop = min(last, before), max(last, before)
        merges.append((float(distances[last, before]), keep, drop))
        total = sizes[keep] + sizes[drop]
        distances[keep] = (sizes[keep] * distances[keep] + sizes[drop] * distances[drop]) / total
        distances[:, keep] = distances[keep]
        distances[:, drop] = np.inf
        sizes[keep] = total
        gone[drop] = True
    return merges


def _numbered_by_appearance(clusters: np.ndarray) -> np.ndarray:
    """Renumber so that the cluster of the first row is 0, the next new one 1, and so on."""
    _, first, number = np.unique(clusters, return_index=True, return_inverse=True)
    rank = np.empty(first.shape[0], dtype=np.int64)
    rank[np.argsort(first)] = np.arange(first.shape[0])
    return rank[number]
