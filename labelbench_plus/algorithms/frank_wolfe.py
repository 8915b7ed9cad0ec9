"""Frank-Wolfe: a batch whose weighted features sum up to those of the whole pool."""

from __future__ import annotations

import torch
from torch import Tensor

from labelbench_plus.algorithms.blocks.checks import check_count
from labelbench_plus.algorithms.blocks.pairwise import (
    DEFAULT_CHUNK_BYTES,
    FeaturePoints,
    float64_blocks,
    product_error,
    row_chunks,
    row_mean,
    row_sums,
    true_indices,
)

TIE = 1e-9  # of the length of what is missing: products that close are equal
MET = 1e-9  # of the total length of all rows: missing less than that, nothing is


def frank_wolfe(features: Tensor, n: int, *, chunk_bytes: int = DEFAULT_CHUNK_BYTES) -> Tensor:
    """Pick `n` rows by sparse approximation of the sum of all rows, z̄ = Σ z_i (ACS-FW in feature space).

    Frank and Wolfe's algorithm minimises ‖z̄ − Σ w_i z_i‖² over weights w ≥ 0 with Σ w_i ‖z_i‖ = Σ ‖z_i‖. A step goes
    to the row with the largest product of z_i / ‖z_i‖ with what is missing, as far as is best on that line. With z
    what a linear model is linear in this approximates the posterior given all labels by that given the batch's.

    Rows picked before are left out, so that n steps give n rows; where that makes the best direction left one that
    leads away, its step has length zero. The original may go to a row again and then gives fewer rows. Where nothing is
    missing any more (few columns, many picks) the approximation starts over with the rows that are left.

    Parameters
    ----------
    features: (N, d) floating point, CPU or CUDA. Half precision is read as it is, without rounding.
    n: how many rows to pick, 0 to N.
    chunk_bytes: byte budget of temporary arrays; does not change the picks.

    Returns
    -------
    (n,) int64 row indices in the order of picking, no repeats. Of products that agree to 10⁻⁹ of their
    possible size the lowest index wins.

    Raises
    ------
    ValueError
        Not a matrix, not finite, or more rows asked for than there are.

    Notes
    -----
    Exact: a product in the precision of the features leaves the rows that can be the best, these are compared in
    float64. O(N d) time a pick, O(N + d) memory. A row of zeros has product zero with everything.

    Source: Pinsler, Gordon, Nalisnick and Hernández-Lobato (2019, arXiv 1908.02144), "Bayesian batch active learning
    as sparse subset approximation", algorithm 1.
    """
    points = FeaturePoints.of(features, "features")
    check_count(n, len(points))
    norms = points.squared_norms.sqrt()
    total = float(norms.sum())
    missing = row_mean(points.features) * len(points) if n else points.squared_norms[:0]
    goal = missing.clone()
    free = torch.ones(len(points), dtype=torch.bool, device=norms.device)
    picks: list[int] = []
    while len(picks) < n:
        row = _steepest(points, norms, missing, free, chunk_bytes)
        picks.append(row)
        free[row] = False
        corner = points.features[row].to(torch.float64)
        if float(norms[row]) > 0:
            corner = corner * (total / float(norms[row]))
        direction = corner - (goal - missing)
        length = float(direction @ direction)
        if length > 0:
            missing = missing - direction * min(max(float(direction @ missing) / length, 0.0), 1.0)
        if float(missing.norm()) <= MET * total:
            missing = goal.clone()
    return torch.tensor(picks, dtype=torch.int64, device=features.device)


def _steepest(points: FeaturePoints, norms: Tensor, missing: Tensor, free: Tensor, chunk_bytes: int) -> int:
    """The free row whose direction has the largest product with what is missing, the lowest of equals."""
    # Scaled to length one, that products stay in the range of single precision.
    size = float(missing.norm())
    wanted = missing / size if size > 0 else missing
    rough = torch.empty(len(points), dtype=torch.float64, device=free.device)
    single = wanted.to(points.dtype)
    for rows in row_chunks(len(points), points.row_bytes, chunk_bytes):
        rough[rows] = (points.features[rows].to(points.dtype) @ single).to(torch.float64)
    lengths = norms.clamp(min=torch.finfo(torch.float64).tiny)
    rough = (rough / lengths).masked_fill_(~free, -torch.inf)
    # What `wanted` loses by rounding comes on top of the product's own error, and underflow on top of both.
    error = product_error(points.features, points.dtype) + 2 * torch.finfo(points.dtype).eps
    slack = error + TIE + points.absolute_error / lengths
    able = true_indices(rough + slack >= (rough - slack).max())
    exact = torch.empty(len(able), dtype=torch.float64, device=free.device)
    for some in float64_blocks(len(able), points.features.shape[1], free.device):
        exact[some] = row_sums(points.features[able[some]].to(torch.float64) * wanted)
    exact /= lengths[able]
    return int(able[(exact >= exact.max() - TIE).nonzero()[0]])
