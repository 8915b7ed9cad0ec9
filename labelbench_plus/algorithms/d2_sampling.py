"""D² sampling: each pick in proportion to the squared distance to what is already picked (k-means++ seeding)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from labelbench_plus.algorithms.blocks.checks import check_count, check_finite
from labelbench_plus.algorithms.blocks.detached import detached
from labelbench_plus.algorithms.blocks.lazy_distances import LazyDistances
from labelbench_plus.algorithms.blocks.pairwise import (
    DEFAULT_CHUNK_BYTES,
    Points,
    feature_points,
    nearest_squared_distances,
    squared_distance_bounds,
)

EXACT_COST = 128  # distances by matrix product that take as long as an exact one
PROPOSALS = 256  # drawn at once; part of the sampler's definition, as it decides how random numbers are consumed


@detached
def k_means_pp(
    features: Tensor,
    n: int,
    rng: Generator,
    *,
    centers: Tensor | None = None,
    weights: Tensor | None = None,
    chunk_bytes: int = DEFAULT_CHUNK_BYTES,
) -> Tensor:
    """Pick `n` rows by k-means++ seeding: row i with probability in proportion to w_i D_i².

    D_i is the distance of row i to the nearest centre or pick so far. The law is exact, see `sample_d2`.

    Parameters
    ----------
    features: (N, d) floating point, CPU or CUDA, d at least 1.
    n: how many rows to pick, 0 to N.
    rng: source of all randomness.
    centers: (m, d) features of points that are already chosen, such as the labelled ones. Without any, the first
        pick is drawn in proportion to the weights alone.
    weights: (N,) not negative, the w_i of weighted k-means; one for all rows if absent.
    chunk_bytes: byte budget of temporary arrays; does not change the picks.

    Returns
    -------
    (n,) int64 row indices in the order of picking, no repeats. Where every remaining w_i D_i² is zero (duplicates,
    or more rows than distinct points) the remaining picks are uniform over the rows not picked yet.

    Raises
    ------
    ValueError
        Not a matrix, not finite, shapes that do not match, a negative weight, or more rows asked for than there are.

    Notes
    -----
    Time O(N (m + 1) d) for the start, then at most O(N n d), in practice a small part of it; memory O(N) +
    `chunk_bytes`.

    Source: Arthur and Vassilvitskii (2007), "k-means++: the advantages of careful seeding", section 2.2 (steps 1a
    to 1c).
    """
    points, given = feature_points(features, centers)
    check_count(n, len(points))
    mass = check_weights(weights, len(points))
    picks: list[int] = []
    if n > 0 and len(given) == 0:
        picks.append(int(draw(mass if mass.any() else np.ones_like(mass), rng.random(1))[0]))
    return sample_d2(points, n, rng, centres=given, picks=picks, weights=mass, chunk_bytes=chunk_bytes)


def sample_d2(
    points: Points,
    n: int,
    rng: Generator,
    *,
    centres: Points,
    picks: list[int],
    weights: np.ndarray,
    chunk_bytes: int = DEFAULT_CHUNK_BYTES,
) -> Tensor:
    """D² sampling over any `Points`, exact and lazy: rejection from stale distances.

    A stale squared distance is at least the true one. Rows are proposed in proportion to their stale value and
    accepted with probability true / stale, which is the D² law whatever the stale values are. Proposals are drawn
    and their true distances computed many at a time, and taken in order; every proposed row is up to date
    afterwards. All rows are brought up to date when that costs less than the rejections it is expected to save.

    Parameters
    ----------
    points: the N candidates.
    n: how many to pick, with those in `picks`.
    rng: source of all randomness.
    centres: points that are chosen already, possibly none.
    picks: rows that are picked already, in order; at least one if there are no `centres`.
    weights: (N,) float64 on the host, the factor of each row's squared distance in the law.
    chunk_bytes: byte budget of temporary arrays.

    Returns
    -------
    (n,) int64 rows, `picks` first, no repeats; uniform over the rest once all weighted distances are zero.
    """
    device = points.squared_norms.device
    picks = list(picks)
    if len(picks) == n:
        return _index(picks, device)
    if len(centres):
        lazy = LazyDistances.exact(points, centres, chunk_bytes)
    else:
        unknown = torch.full_like(points.squared_norms, torch.inf)
        lazy = LazyDistances(points, points.take(_index(picks, device)), unknown, chunk_bytes)
    norms, smallest = points.squared_norms.sqrt(), float(lazy.centres.squared_norms.min())
    lazy.bound = torch.minimum(lazy.bound, _reach(norms, smallest))
    while True:
        lazy.bound[picks] = 0
        stale = lazy.bound.cpu().numpy()
        mass = weights * stale
        if not mass.any():
            rest = np.setdiff1d(np.arange(len(points)), picks)
            return _index(picks + rng.choice(rest, size=n - len(picks), replace=False).tolist(), device)
        proposals = draw(mass, rng.random(PROPOSALS))
        thresholds = stale[proposals] * rng.random(PROPOSALS)
        distinct, positions = np.unique(proposals, return_inverse=True)
        rows = torch.from_numpy(distinct).to(device)
        lazy.refresh(rows)
        new = _accept(points.take(rows), lazy.bound[rows], positions, thresholds, n - len(picks))
        picks += distinct[new].tolist()
        if len(picks) == n:
            return _index(picks, device)
        lazy.add(points.take(rows[new]))
        lazy.refresh(rows)

        nearest_origin = float(lazy.centres.squared_norms.min())
        if nearest_origin < smallest:
            smallest = nearest_origin
            lazy.bound = torch.minimum(lazy.bound, _reach(norms, smallest))
            continue
        # Fresh bounds for all rows are worth their price once it is below that of the proposals to be wasted.
        remaining, total = n - len(picks), len(lazy.centres)
        wasted = remaining * (PROPOSALS / max(len(new), 0.5) - 1) * (total + remaining / 2 + EXACT_COST)
        if len(points) * (total + EXACT_COST) - int(lazy.seen.sum()) < wasted:
            lazy.refresh(torch.arange(len(points), device=device))


def _reach(norms: Tensor, squared_norm: float) -> Tensor:
    """(‖x‖ + ‖c‖)² for a centre of that norm: a bound on ‖x − c‖² that costs nothing; the excess covers rounding."""
    return (norms + squared_norm**0.5).square_().mul_(1 + 1e-9)


def _accept(points: Points, distance: Tensor, positions: np.ndarray, thresholds: np.ndarray, n: int) -> list[int]:
    """Positions of at most `n` proposals accepted in turn: those whose distance by then exceeds their threshold."""
    lower, upper = (bounds.cpu().numpy() for bounds in squared_distance_bounds(points, points))
    low, high = distance.cpu().numpy().copy(), distance.cpu().numpy().copy()
    accepted: list[int] = []
    for position, threshold in zip(positions.tolist(), thresholds.tolist(), strict=True):
        if len(accepted) == n:
            break
        if low[position] <= threshold < high[position]:
            one = slice(position, position + 1)
            chosen = points.take(_index(accepted, distance.device))
            exact = nearest_squared_distances(points.take(one), chosen, distance[one], DEFAULT_CHUNK_BYTES)
            low[position] = high[position] = exact.item()
        if threshold < low[position]:
            accepted.append(position)
            np.minimum(low, lower[:, position], out=low)
            np.minimum(high, upper[:, position], out=high)
            low[position] = high[position] = 0
    return accepted


def draw(mass: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Indices drawn in proportion to `mass`, by inverting its cumulative sum; never one without mass."""
    cumulative = np.cumsum(mass)
    drawn = np.searchsorted(cumulative, uniform * cumulative[-1], side="right")
    # Rounding may carry the product up to the total.
    return np.minimum(drawn, np.searchsorted(cumulative, cumulative[-1], side="left"))


def _index(rows: list[int], device: torch.device) -> Tensor:
    return torch.tensor(rows, dtype=torch.int64, device=device)


@detached
def check_weights(weights: Tensor | None, rows: int) -> np.ndarray:
    """(rows,) float64 on the host, refused if not finite or negative; ones if absent."""
    if weights is None:
        return np.ones(rows)
    if weights.shape != (rows,):
        raise ValueError(f"weights must have shape ({rows},), one for each row, got {tuple(weights.shape)}")
    check_finite(weights, "weights")
    if bool((weights < 0).any()):
        raise ValueError(f"weights must not be negative, but row {int((weights < 0).nonzero()[0])} is")
    return weights.to(torch.float64).cpu().numpy()
