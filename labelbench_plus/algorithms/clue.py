"""CLUE: the row nearest to each centre of an entropy-weighted k-means."""

from __future__ import annotations

import torch
from numpy.random import Generator
from torch import Tensor

from labelbench_plus.algorithms.blocks.checks import check_count, check_matrix
from labelbench_plus.algorithms.blocks.detached import detached
from labelbench_plus.algorithms.blocks.pairwise import exact_squared_distances, row_chunks, squared_distances
from labelbench_plus.algorithms.k_means import k_means
from labelbench_plus.algorithms.uncertainty import entropy

CHUNK_BYTES = 16 * 2**20


@detached
def clue(
    probabilities: Tensor,
    embeddings: Tensor,
    n: int,
    rng: Generator,
    *,
    iterations: int = 300,
    chunk_bytes: int = CHUNK_BYTES,
) -> Tensor:
    """Cluster the embeddings into n clusters, weighted by entropy, and pick the row nearest to each centre.

    Weighted k-means (k-means++ seeds, Lloyd's iterations) minimises the entropy-weighted sum of squared distances to
    the centres, so that centres lie where many uncertain rows are. Centres choose in turn, each the nearest row that
    is not picked yet, whatever cluster it is in. Where no row has any entropy all weigh the same.

    Parameters
    ----------
    probabilities: (N, K) floating point, K >= 2. (The paper softens them by a temperature first; that is the
        caller's.)
    embeddings: (N, d) floating point.
    n: batch size, 0 <= n <= N.
    rng: seeds k-means.
    iterations: of k-means, at most.
    chunk_bytes: bound on temporary memory of the nearest-row search. It does not change the picks.

    Returns
    -------
    (n,) long row indices in the order of the centres, on the device of `embeddings`.

    Raises
    ------
    ValueError
        Rows that are not finite probability vectors, embeddings that do not fit them, or n out of range.

    Complexity: O(N n d) time per iteration of k-means and once for the nearest rows; O((N + n) d) memory plus
    chunks. Ties: equally near rows, the lowest.
    Source: Prabhu et al. (2021, arXiv 2010.08666, algorithm 1). Our reading: the paper does not say
    what happens when two centres share their nearest row.
    """
    weights = entropy(probabilities)
    check_matrix(embeddings, "embeddings")
    rows = embeddings.shape[0]
    if weights.shape[0] != rows:
        raise ValueError(f"probabilities have {weights.shape[0]} rows, embeddings {rows}")
    check_count(n, rows)
    if n == 0:
        return torch.empty(0, dtype=torch.long, device=embeddings.device)
    if not bool(weights.any()):
        weights = torch.ones_like(weights)
    clustering = k_means(embeddings, n, rng, weights=weights, max_iterations=iterations, chunk_bytes=chunk_bytes)
    return _nearest_distinct_rows(clustering.centers, embeddings, chunk_bytes)


def _nearest_distinct_rows(centres: Tensor, embeddings: Tensor, chunk_bytes: int) -> Tensor:
    """Row nearest to each centre in turn, without those taken by the centres before."""
    rows, width = embeddings.shape
    # A matrix product finds the few rows that can be nearest, in single precision where torch keeps to it.
    rough = torch.float32 if torch.get_float32_matmul_precision() == "highest" else torch.float64
    rough = torch.promote_types(embeddings.dtype, rough)
    norm = float(centres.square().sum(dim=1).max())
    for chunk in row_chunks(rows, 2 * 8 * width, chunk_bytes):
        norm = max(norm, float(embeddings[chunk].double().square().sum(dim=1).max()))
    rounding = 8 * (width + 8) * torch.finfo(rough).eps * norm
    free = torch.ones(rows, dtype=torch.bool, device=embeddings.device)
    picks = []
    for chunk in row_chunks(centres.shape[0], 2 * rough.itemsize * rows, chunk_bytes):
        distances = squared_distances(centres[chunk].to(rough), embeddings.to(rough))
        for centre, distance in zip(centres[chunk], distances, strict=True):
            distance[~free] = torch.inf
            near = (distance <= distance.min() + rounding).nonzero().squeeze(1)
            exact = exact_squared_distances(embeddings[near], centre)
            row = int(near[exact == exact.min()][0])
            free[row] = False
            picks.append(row)
    return torch.tensor(picks, dtype=torch.long, device=embeddings.device)
