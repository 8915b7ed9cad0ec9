"""Frank-Wolfe: a batch whose weighted features sum up to those of the whole pool."""

from __future__ import annotations

import torch
from torch import Tensor

from labelbench_plus.algorithms.blocks.checks import check_count
from labelbench_plus.algorithms.blocks.detached import detached
from labelbench_plus.algorithms.blocks.pairwise import (
    DEFAULT_CHUNK_BYTES,
    FeaturePoints,
    float64_blocks,
    inner_products,
    product_error,
    row_chunks,
    row_mean,
    row_sums,
    true_indices,
)

TIE = 1e-9  # of the length of what is missing: products that close are equal
MET = 1e-9  # of the total length of all rows: missing less than that, nothing is


@detached
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
    directions = _Directions(points, norms, chunk_bytes)
    picks: list[int] = []
    while len(picks) < n:
        row = directions.steepest(missing)
        picks.append(row)
        directions.close(row)
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


class _Directions:
    """The rows scaled to length one, as far as their products with something are asked for."""

    def __init__(self, points: FeaturePoints, lengths: Tensor, chunk_bytes: int) -> None:
        self._points, self._chunk_bytes = points, chunk_bytes
        self._lengths = lengths.clamp(min=torch.finfo(torch.float64).tiny)
        limits = torch.finfo(points.dtype)
        self._inverse = (1 / self._lengths).clamp_(max=limits.max / 4).to(points.dtype)
        # Besides the product, both factors, the scaling and the sums are rounded; underflow comes on top. A product of
        # two directions is off by no more than two.
        error = product_error(points.features, points.dtype) + 8 * limits.eps + TIE
        self._slack = (error + points.absolute_error / self._lengths).clamp_(max=2).to(points.dtype)
        self._closed = torch.zeros_like(self._slack)

    def close(self, row: int) -> None:
        """Leave a row out from now on."""
        self._closed[row] = -torch.inf

    def steepest(self, missing: Tensor) -> int:
        """The open row with the largest product with what is missing, the lowest of equals."""
        points, size = self._points, float(missing.norm())
        wanted = missing / size if size > 0 else missing
        rough = torch.empty_like(self._slack)
        target = wanted.to(points.dtype)[None]
        for rows in row_chunks(len(points), points.row_bytes, self._chunk_bytes):
            rough[rows] = inner_products(points.features[rows].to(points.dtype), target)[:, 0]
        rough = torch.addcmul(self._closed, rough, self._inverse)
        able = true_indices(rough + self._slack >= (rough - self._slack).max())
        exact = torch.empty(len(able), dtype=torch.float64, device=rough.device)
        for some in float64_blocks(len(able), points.features.shape[1], rough.device):
            exact[some] = row_sums(points.features[able[some]].to(torch.float64) * wanted)
        exact /= self._lengths[able]
        return int(able[(exact >= exact.max() - TIE).nonzero()[0]])
