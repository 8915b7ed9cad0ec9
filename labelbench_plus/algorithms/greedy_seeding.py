"""Greedy k-means++: of several rows drawn by the D² law, the one that lowers the potential most."""

from __future__ import annotations

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from labelbench_plus.algorithms.blocks.checks import check_count, check_matrix
from labelbench_plus.algorithms.blocks.detached import detached
from labelbench_plus.algorithms.blocks.distance_bounds import DistanceBounds, true_entries
from labelbench_plus.algorithms.blocks.neighbours import pair_distances
from labelbench_plus.algorithms.blocks.pairwise import DEFAULT_CHUNK_BYTES, exact_squared_distances, row_chunks
from labelbench_plus.algorithms.d2_sampling import check_weights, draw

_TIE = 1e-12  # relative; reductions this close are ties


@detached
def greedy_k_means_pp(
    features: Tensor,
    n: int,
    rng: Generator,
    *,
    trials: int,
    weights: Tensor | None = None,
    chunk_bytes: int = DEFAULT_CHUNK_BYTES,
) -> Tensor:
    """Pick `n` rows to start k-means from: the best of `trials` rows drawn by `k_means_pp`'s law, again and again.

    The best is the one that leaves the least potential Σ_i w_i D_i², D_i the distance of row i to the nearest pick.

    Parameters
    ----------
    features: (N, d) floating point, d at least 1.
    n: how many rows to pick, 0 to N.
    rng: source of all randomness.
    trials: rows drawn for each pick but the first, at least 1. With 1 the law is that of `k_means_pp`, which is faster.
    weights: (N,) not negative; one for all rows if absent.
    chunk_bytes: byte budget of temporary arrays; does not change the picks.

    Returns
    -------
    (n,) int64 row indices in the order of picking, no repeats. Where every remaining w_i D_i² is zero the remaining
    picks are uniform over the rows not picked yet.

    Raises
    ------
    ValueError
        Not a matrix, not finite, shapes that do not match, a negative weight, more rows asked for than there are, or
        no trials.

    Notes
    -----
    Time O(N n trials r), r <= d + 3 the rank of `DistanceBounds`, and O(d) for each row and drawn row nearer to each
    other than the row is to any pick: distances in float64 decide. Memory O(N (r + trials)) + `chunk_bytes`.
    Ties: the lowest index.

    Source: Arthur and Vassilvitskii (2007), "k-means++: the advantages of careful seeding", section 2.2, and the
    several candidates a pick that their own experiments used (section 6).
    """
    check_matrix(features, "features")
    check_count(n, len(features))
    if trials < 1:
        raise ValueError(f"trials must be at least 1, got {trials}")
    weight = check_weights(weights, len(features))
    if n == 0:
        return torch.empty(0, dtype=torch.int64, device=features.device)
    picks = [int(draw(weight if weight.any() else np.ones_like(weight), rng.random(1))[0])]
    nearest = _to_all(features, picks[0], chunk_bytes)
    bounds = DistanceBounds(features, chunk_bytes=chunk_bytes)
    while len(picks) < n:
        mass = weight * nearest
        if not mass.any():
            rest = np.setdiff1d(np.arange(len(features)), picks)
            picks += rng.choice(rest, size=n - len(picks), replace=False).tolist()
            break
        drawn = np.unique(draw(mass, rng.random(trials)))
        trial, row, distance = _nearer(features, drawn, nearest, bounds, chunk_bytes)
        reduction = np.bincount(trial, weights=weight[row] * (nearest[row] - distance), minlength=len(drawn))
        best = int((reduction >= reduction.max() * (1 - _TIE)).argmax())
        nearest[row[trial == best]] = distance[trial == best]
        picks.append(int(drawn[best]))
    return torch.tensor(picks, dtype=torch.int64, device=features.device)


def _to_all(features: Tensor, pick: int, chunk_bytes: int) -> np.ndarray:
    point = features[pick].to(torch.float64)
    parts = [
        exact_squared_distances(features[rows], point)
        for rows in row_chunks(len(features), 16 * features.shape[1], chunk_bytes)
    ]
    return torch.cat(parts).cpu().numpy()


def _nearer(
    features: Tensor, drawn: np.ndarray, nearest: np.ndarray, bounds: DistanceBounds, chunk_bytes: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(position in `drawn`, row, squared distance) of all pairs that are nearer than the row is to any pick."""
    queries = torch.from_numpy(drawn).to(features.device)
    # Rounded up, as the bounds are rounded down.
    reach = torch.from_numpy(nearest * ((1 + 2.0**-20) / bounds.unit)).to(features.device, bounds.dtype)
    pairs = []
    for rows, lower in bounds.tiles(queries, max(1, chunk_bytes // (8 * len(drawn)))):
        trial, row = true_entries(lower < reach[rows])
        pairs.append((trial, row + rows.start))
    trial, row = (torch.cat(side) for side in zip(*pairs, strict=True))
    distance = pair_distances(features[queries].to(torch.float64), features, trial, row).cpu().numpy()
    near = distance < nearest[row.cpu().numpy()]
    return trial.cpu().numpy()[near], row.cpu().numpy()[near], distance[near]
