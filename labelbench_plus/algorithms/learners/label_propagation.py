"""Labels that spread over a graph of nearest neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from labelbench_plus.algorithms.blocks.checks import check_matrix
from labelbench_plus.algorithms.blocks.detached import detached
from labelbench_plus.algorithms.blocks.neighbours import nearest_neighbours
from labelbench_plus.algorithms.blocks.pairwise import DEFAULT_CHUNK_BYTES

TOLERANCE = 1e-8
MAX_STEPS = 2000
VANISHED = 1e-290  # sums of weights below this have lost digits, if not all


@dataclass(frozen=True)
class Graph:
    """A symmetric, degree-normalised graph S = D^(-1/2) W D^(-1/2) of points.

    Attributes
    ----------
    points: (N, d), what new points are compared with.
    scales: (N,) float64 σ, each point's distance to its k-th neighbour.
    matrix: (N, N) sparse, float64, with at most 2 N k entries; on the CPU, as a GPU adds up in another order each time.
    neighbours: k.
    """

    points: Tensor
    scales: Tensor
    matrix: Tensor
    neighbours: int


@detached
def neighbour_graph(features: Tensor, neighbours: int, *, chunk_bytes: int = DEFAULT_CHUNK_BYTES) -> Graph:
    """Connect every point with its k nearest: W = (A + Aᵀ) / 2, A_ij = exp(−d_ij² / (σ_i σ_j)) for j near i.

    The local scales make one graph do for dense and for sparse regions, and for features of any scale. That of a point
    with k copies is zero: it is connected with copies alone.

    Source: Zelnik-Manor & Perona, "Self-tuning spectral clustering" (NeurIPS 2004), section 2, on the graph of nearest
    neighbours.

    Parameters
    ----------
    features: (N, d) floating point.
    neighbours: k, at least 1; all others where there are fewer.
    """
    check_matrix(features, "features")
    if neighbours < 1:
        raise ValueError(f"neighbours must be at least 1, got {neighbours}")
    n = len(features)
    found = nearest_neighbours(features, min(neighbours, n - 1), chunk_bytes=chunk_bytes)
    scales = found.squared_distances[:, -1].sqrt() if found.indices.shape[1] else features.new_zeros(n).double()
    weights = _affinity(found.squared_distances, scales[:, None] * scales[found.indices]).cpu()
    rows, columns = torch.arange(n).repeat_interleave(found.indices.shape[1]), found.indices.reshape(-1).cpu()
    both = torch.stack([torch.cat([rows, columns]), torch.cat([columns, rows])])
    values = weights.reshape(-1).repeat(2) / 2
    degrees = torch.zeros(n, dtype=torch.float64).index_add_(0, both[0], values)
    root = torch.where(degrees > 0, degrees.clamp_min(1e-300).rsqrt(), torch.zeros_like(degrees))
    values = values * root[both[0]] * root[both[1]]
    matrix = torch.sparse_coo_tensor(both, values, (n, n), check_invariants=False).coalesce()
    return Graph(features, scales, matrix, neighbours)


@detached
def propagate(graph: Graph, labelled: Tensor, labels: Tensor, num_classes: int, *, alpha: float = 0.99) -> Tensor:
    """Solve (I − α S) F = Y by conjugate gradients, all classes at once.

    Source: Zhou et al., "Learning with local and global consistency" (NeurIPS 2003), the limit of its iteration.

    Parameters
    ----------
    labelled, labels: (m,) rows of the graph and their classes.
    alpha: in 0..1, below 1: how far labels spread.

    Returns
    -------
    (N, K) float64 where the points are, not negative; a point that no label reaches has zeros.
    """
    n = len(graph.points)
    target = torch.zeros(n, num_classes, dtype=torch.float64)
    target[labelled.cpu(), labels.cpu()] = 1.0
    solution = torch.zeros_like(target)
    residual, direction = target.clone(), target.clone()
    squared = (residual**2).sum(dim=0)
    goal = TOLERANCE**2 * squared.clamp_min(torch.finfo(torch.float64).tiny)
    for _ in range(MAX_STEPS):
        if bool((squared <= goal).all()):
            break
        image = direction - alpha * (graph.matrix @ direction)
        step = squared / (direction * image).sum(dim=0).clamp_min(torch.finfo(torch.float64).tiny)
        solution += step * direction
        residual -= step * image
        before, squared = squared, (residual**2).sum(dim=0)
        direction = residual + squared / before.clamp_min(torch.finfo(torch.float64).tiny) * direction
    return solution.clamp_min(0).to(graph.points.device)


@detached
def nearest_label(
    features: Tensor, labelled: Tensor, labels: Tensor, num_classes: int, *, chunk_bytes: int = DEFAULT_CHUNK_BYTES
) -> Tensor:
    """(n, K) float64, one for the class of the nearest labelled row: for rows (n, d) that no label reaches.

    Parameters
    ----------
    labelled, labels: (m, d) features and (m,) classes of what is labelled, m at least 1.
    """
    found = nearest_neighbours(features, 1, points=labelled, chunk_bytes=chunk_bytes).indices[:, 0]
    values = torch.zeros(len(features), num_classes, dtype=torch.float64, device=features.device)
    values[torch.arange(len(features), device=features.device), labels[found]] = 1.0
    return values


@detached
def induce(graph: Graph, values: Tensor, features: Tensor, *, chunk_bytes: int = DEFAULT_CHUNK_BYTES) -> Tensor:
    """Values for new points: the mean over their nearest graph points, weighted as the graph's edges.

    Where all of these weights vanish (a point that is far from a cluster at the cluster's own scale, or near k copies)
    the mean is what it tends to: only ratios of weights count, and the nearest keep theirs.

    Source: Delalleau, Bengio, Le Roux, "Efficient non-parametric function induction in semi-supervised learning"
    (AISTATS 2005), eq. 7.

    Parameters
    ----------
    values: (N, K) of the graph's points.
    features: (n, d).

    Returns
    -------
    (n, K) float64.
    """
    k = min(graph.neighbours, len(graph.points))
    found = nearest_neighbours(features, k, points=graph.points, chunk_bytes=chunk_bytes)
    scales = found.squared_distances[:, -1].sqrt()
    squared_scales = scales[:, None] * graph.scales[found.indices]
    weights = _affinity(found.squared_distances, squared_scales)
    if bool((lost := weights.sum(dim=1) < VANISHED).any()):
        weights[lost] = _relative_affinity(found.squared_distances[lost], squared_scales[lost])
    weights = weights / weights.sum(dim=1, keepdim=True).clamp_min(torch.finfo(torch.float64).tiny)
    result = torch.zeros(len(features), values.shape[1], dtype=torch.float64, device=features.device)
    for column in range(k):  # never (n, k, K)
        result += weights[:, column, None] * values[found.indices[:, column]]
    return result


def _affinity(squared_distances: Tensor, squared_scales: Tensor) -> Tensor:
    """exp(−d² / σσ'); 1 where both are nothing."""
    tiny = torch.finfo(torch.float64).tiny
    return (-squared_distances / squared_scales.clamp_min(tiny)).exp()


def _relative_affinity(squared_distances: Tensor, squared_scales: Tensor) -> Tensor:
    """`_affinity` relative to the largest of each row; one for the nearest and else nothing where there is no scale."""
    exponents = squared_distances / squared_scales
    least = exponents.amin(dim=1, keepdim=True)
    nearest = (squared_distances == squared_distances.amin(dim=1, keepdim=True)).double()
    return torch.where(least.isfinite(), (least - exponents).exp(), nearest)
