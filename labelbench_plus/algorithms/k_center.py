"""k-center: the farthest-first traversal, and the covering radius it approximates."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from labelbench_plus.algorithms.blocks.checks import check_count
from labelbench_plus.algorithms.blocks.detached import detached
from labelbench_plus.algorithms.blocks.lazy_distances import LazyDistances
from labelbench_plus.algorithms.blocks.pairwise import (
    DEFAULT_CHUNK_BYTES,
    Points,
    exact_squared_distances,
    feature_points,
    row_mean,
    squared_distances_below,
)

FRONT_BYTES = 2**21  # of features in the front: what stays in a cache from one pick to the next
CANDIDATES = 16  # rows of the front whose distances to all of it are computed at once

PICKED = -1.0  # below every squared distance


@detached
def k_center_greedy(
    features: Tensor,
    n: int,
    *,
    centers: Tensor | None = None,
    front: int | None = None,
    chunk_bytes: int = DEFAULT_CHUNK_BYTES,
) -> Tensor:
    """Pick `n` rows, each the farthest from the centres and the rows picked before it.

    The picks are those of the plain loop in float64, found lazily: a point's distance to its nearest centre only
    shrinks, so a stale value is an upper bound. A *front* of the rows with the largest bounds is kept up to date;
    as long as its farthest row beats every bound outside, that row is the true farthest point of the pool.

    Parameters
    ----------
    features: (N, d) floating point, CPU or CUDA, d at least 1. Half precision is read as it is, without rounding.
    n: how many rows to pick, 0 to N.
    centers: (m, d) features of points that are already chosen, such as the labelled ones. Without any, the first
        pick is the row farthest from the mean of all rows.
    front: rows in the front; does not change the picks. Default: by the size of a row; with N or more all rows
        are kept up to date, as in the plain loop.
    chunk_bytes: byte budget of temporary arrays; does not change the picks.

    Returns
    -------
    (n,) int64 row indices in the order of picking, no repeats. Of rows that are equally far the lowest index wins.

    Raises
    ------
    ValueError
        Not a matrix, not finite, columns that do not match, or more rows asked for than there are.

    Notes
    -----
    Time O(N m d) for the given centres and at most O((N + front) n d) for the picks, in practice a small part of
    it where the pool has clusters. Memory O(N) + front x d + `chunk_bytes`: the pool is never copied.

    Source: Gonzalez (1985), "Clustering to minimize the maximum intercluster distance", section 2 (the greedy
    algorithm; radius at most twice the optimum); Sener and Savarese (2018), "Active learning for convolutional
    neural networks: a core-set approach", Algorithm 1 (k-Center-Greedy).
    """
    points, given = feature_points(features, centers)
    check_count(n, len(points))
    if front is None:
        front = min(max(FRONT_BYTES // max(points.row_bytes, 1), 64), 8192)
    if front < 1:
        raise ValueError(f"front must be at least 1, got {front}")
    if n == 0:
        return torch.empty(0, dtype=torch.int64, device=features.device)
    picks: list[int] = []
    if len(given) == 0:
        picks.append(int(exact_squared_distances(points.features, row_mean(points.features)).argmax()))
        given = points.take(slice(picks[0], picks[0] + 1))
    lazy = LazyDistances.exact(points, given, chunk_bytes)
    lazy.bound[picks] = PICKED

    size = min(front, len(points))
    reach = size
    while len(picks) < n:
        rows, limit, limit_row = _largest(lazy.bound, size)
        lazy.refresh(rows)
        members = points.take(rows)
        new, distance = _traverse(members, lazy.bound[rows], n - len(picks), rows, limit, limit_row)
        picks += rows[new].tolist()
        lazy.add(members.take(new))
        lazy.bound[rows], lazy.seen[rows] = distance, len(lazy.centres)
        if len(new):
            reach = size
        else:  # flat bounds: look at ever more rows, so that a pick takes few looks
            reach = min(2 * reach, len(points))
            lazy.refresh(_largest(lazy.bound, reach)[0])
    return torch.tensor(picks, dtype=torch.int64, device=features.device)


def _traverse(
    points: Points, distance: Tensor, n: int, rows: Tensor, limit: float, limit_row: int
) -> tuple[Tensor, Tensor]:
    """Farthest-first traversal of a front, for as long as its farthest row comes before the best one outside.

    Returns the positions of the picks, at most `n`, and the distances after them.
    """
    values, indices = distance.cpu().numpy().copy(), rows.tolist()
    picks: list[int] = []
    done = False
    while not done:
        # The next picks are most likely among the farthest rows: one product for all of them, decisions on the host.
        known = torch.from_numpy(values).to(distance.device)
        candidates = _largest(known, CANDIDATES)[0]
        below = squared_distances_below(points, points.take(candidates), known).T.contiguous().cpu().numpy()
        distance_to = dict(zip(candidates.tolist(), below, strict=True))
        while True:
            position = int(values.argmax())
            done = len(picks) == n or (values[position], -indices[position]) < (limit, -limit_row)
            if done or position not in distance_to:
                break
            picks.append(position)
            np.minimum(values, distance_to[position], out=values)
            values[position] = PICKED
    device = distance.device
    return torch.tensor(picks, dtype=torch.int64, device=device), torch.from_numpy(values).to(device)


@detached
def covering_radius(features: Tensor, chosen: Tensor, *, chunk_bytes: int = DEFAULT_CHUNK_BYTES) -> float:
    """Largest distance of a row to its nearest chosen point: the objective that k-center minimises.

    Parameters
    ----------
    features: (N, d) floating point.
    chosen: (m, d) features of the chosen points, labelled ones included, m at least 1.
    chunk_bytes: byte budget of temporary arrays.

    Returns
    -------
    Euclidean distance, in the unit of the features; zero for an empty pool.

    Raises
    ------
    ValueError
        Not a matrix, not finite, columns that do not match, or nothing chosen.

    Notes
    -----
    O(N m d) time, O(N) + `chunk_bytes` memory. Source: Sener and Savarese (2018), equation 5.
    """
    points, centres = feature_points(features, chosen)
    if len(centres) == 0:
        raise ValueError("chosen must hold at least one point: the radius of an empty cover is infinite")
    if len(points) == 0:
        return 0.0
    return math.sqrt(float(LazyDistances.exact(points, centres, chunk_bytes).bound.max()))


def _largest(values: Tensor, count: int) -> tuple[Tensor, float, int]:
    """Indices of the `count` largest values in ascending order, and the largest value left out with its index.

    Equal values are taken by lowest index. With nothing left out the last two are −∞ and 0.
    """
    if count >= values.shape[0]:
        return torch.arange(values.shape[0], device=values.device), -math.inf, 0
    limit = values.topk(count + 1).values[-1]
    above = (values > limit).nonzero().squeeze(1)
    equal = (values == limit).nonzero().squeeze(1)
    taken = count - above.shape[0]
    return torch.cat([above, equal[:taken]]).sort().values, float(limit), int(equal[taken])
