"""Greedy maximisation of a log-determinant: the most informative, or most diverse, rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from labelbench_plus.algorithms.blocks.checks import check_count, check_matrix
from labelbench_plus.algorithms.blocks.detached import detached
from labelbench_plus.algorithms.blocks.lazy_greedy import lazy_greedy
from labelbench_plus.algorithms.blocks.pairwise import (
    DEFAULT_CHUNK_BYTES,
    float64_blocks,
    row_chunks,
    row_sums,
    squared_distances,
)
from labelbench_plus.algorithms.blocks.similarity import FittedSimilarity, Rbf, check_centers

_REFACTOR = 64  # picks after which an inverse updated by rank-one steps is computed afresh
_LARGEST_INVERSE = 4096  # columns up to which the linear kernel works with a d × d inverse


@dataclass(frozen=True)
class Linear:
    """The kernel x·y: log det(I + α K_S) is then the D-optimality of ridge regression on the rows of S."""


@detached
def log_det(
    features: Tensor,
    n: int,
    *,
    alpha: float = 1.0,
    centers: Tensor | None = None,
    kernel: Linear | Rbf = Linear(),
    chunk_bytes: int = DEFAULT_CHUNK_BYTES,
) -> Tensor:
    """Pick `n` rows that greedily maximise log det(I + α K_{S ∪ L}), K the kernel matrix of the rows.

    Up to a factor two this is the information that noisy observations at S give on a Gaussian process with
    covariance K (α one over the variance of the noise), and for large α the MAP of a determinantal point process.

    Parameters
    ----------
    features: (N, d) floating point: the rows to pick from.
    n: how many to pick, 0 <= n <= N.
    alpha: α > 0.
    centers: (L, d) rows chosen already: the determinant is conditioned on them.
    kernel: `Linear()` or `Rbf(...)`.
    chunk_bytes: bound on temporary memory. It does not change the result.

    Returns
    -------
    (n,) int64 row indices in pick order, on the device of the features.

    Raises
    ------
    ValueError
        Not finite, shapes that do not fit, n out of range, α not positive.

    Notes
    -----
    With C the Cholesky factor of I + α K over the t rows chosen so far, the gain of row j is log(1 + α k_jj − ‖z‖²),
    C z = α k_j, and a pick appends one entry to every z. Fast greedy MAP does so for all rows at every pick, in
    N × t numbers. Here entries are only appended for rows whose last known gain, an upper bound, comes near the
    front, and nothing of size N × t is kept. Under the linear kernel (d <= 4096) an entry is x_j · u, with u from the
    d × d inverse of I + α X_Sᵀ X_S; under others z is found anew.

    Complexity: O(N d²) for the initial gains under the linear kernel, O(N L (L + d)) under others, nothing without
    centers; then for a row near the front O(d) for every pick since it was last there, under other kernels
    O(t (t + d)).
    O(N + d² + n d) memory, under other kernels O(N + t (t + d)); temporaries of `chunk_bytes`.
    Ties: gains closer than rounding goes (1e-11 of the largest) go to the lowest index.
    Guarantee: 1 − 1/e of the optimum, the function being monotone submodular and zero on the empty set.
    Source: Chen, Zhang and Zhou (2018, arXiv 1709.05135, Algorithm 1); lazy evaluation by Minoux (1978), and for
    this function by Hemmi et al. (2022, arXiv 2206.05947).
    """
    check_matrix(features, "features")
    check_count(n, features.shape[0])
    return lazy_greedy(LogDet(features, alpha=alpha, centers=centers, kernel=kernel, chunk_bytes=chunk_bytes), n)


class LogDet:
    """The objective of `log_det`, for `lazy_greedy` and `knapsack_greedy`."""

    tight = True
    block = 64

    @detached
    def __init__(
        self,
        features: Tensor,
        *,
        alpha: float = 1.0,
        centers: Tensor | None = None,
        kernel: Linear | Rbf = Linear(),
        chunk_bytes: int = DEFAULT_CHUNK_BYTES,
    ) -> None:
        check_matrix(features, "features")
        if not (alpha > 0 and math.isfinite(alpha)):
            raise ValueError(f"alpha must be positive and finite, got {alpha}")
        centers = check_centers(features, centers)
        self.rows, self.device = features.shape[0], features.device
        self.patience = self.rows
        if isinstance(kernel, Linear) and features.shape[1] <= _LARGEST_INVERSE:
            self._projections: _Projections = _LinearProjections(features, alpha, centers, chunk_bytes)
        else:
            fitted = None if isinstance(kernel, Linear) else kernel.fit(features, centers)
            self._projections = _KernelProjections(features, alpha, centers, fitted, chunk_bytes)
        self._start = self._projections.start()
        self.tolerance = 1e-11 * math.log(max(2.0, float(self._start.max()) if self.rows else 2.0))

    def reset(self) -> None:
        self._projections.reset()
        self._remainder = self._start.clone()
        self._seen = torch.zeros(self.rows, dtype=torch.int64, device=self.device)
        self._picked = 0

    def sweep(self) -> Tensor:
        """Gains before the first pick; called before it only."""
        return self._start.log()

    def bounds(self, rows: Tensor) -> Tensor:
        first = int(self._seen[rows].min())
        if first < self._picked:
            entries = self._projections.since(rows, first)
            unseen = torch.arange(first, self._picked, device=self.device) >= self._seen[rows, None]
            self._remainder[rows] -= entries.square().mul_(unseen).sum(dim=1)
            self._seen[rows] = self._picked
        return self._remainder[rows].clamp_(min=1.0).log_()

    def gains(self, rows: Tensor) -> Tensor:
        return self.bounds(rows)

    def add(self, row: int) -> None:
        self._projections.add(row, max(1.0, float(self._remainder[row])))
        self._picked += 1


class _Projections(Protocol):
    """The entries of z that picks append."""

    def start(self) -> Tensor:
        """1 + α k_jj − ‖z‖² of all rows given the centers alone."""

    def reset(self) -> None:
        """Forget the picks."""

    def since(self, rows: Tensor, first: int) -> Tensor:
        """Entries (rows, picks from number `first` on)."""

    def add(self, row: int, remainder: float) -> None:
        """Pick a row, given its 1 + α k_jj − ‖z‖²; its entries are known to `since`."""


class _LinearProjections:
    def __init__(self, features: Tensor, alpha: float, centers: Tensor | None, chunk_bytes: int) -> None:
        self._features, self._alpha, self._chunk_bytes = features, alpha, chunk_bytes
        columns = features.shape[1]
        self._first_moments = torch.eye(columns, dtype=torch.float64, device=features.device)
        if centers is not None:
            for chunk in row_chunks(centers.shape[0], 8 * columns, chunk_bytes):
                exact = centers[chunk].to(torch.float64)
                self._first_moments += alpha * (exact.T @ exact)
        self._conditioned = centers is not None
        self._directions = torch.empty(0, columns, dtype=torch.float64, device=features.device)

    def start(self) -> Tensor:
        self.reset()
        remainder = torch.empty(len(self._features), dtype=torch.float64, device=self._features.device)
        for chunk in row_chunks(len(remainder), 24 * self._features.shape[1], self._chunk_bytes):
            points = self._features[chunk].to(torch.float64)
            image = points @ self._inverse if self._conditioned else points
            remainder[chunk] = 1.0 + self._alpha * row_sums(image * points)
        return remainder

    def reset(self) -> None:
        self._moments = self._first_moments.clone()
        self._invert()
        self._picked = 0

    def since(self, rows: Tensor, first: int) -> Tensor:
        return self._features[rows].to(torch.float64) @ self._directions[first : self._picked].T

    def add(self, row: int, remainder: float) -> None:
        point = self._features[row].to(torch.float64)
        if self._picked == len(self._directions):
            self._directions = _with_more_rows(self._directions)
        # z_j = α x_jᵀ A⁻¹ x / √(1 + α xᵀ A⁻¹ x), A = I + α X_Sᵀ X_S before this pick: Sherman and Morrison.
        direction = (self._inverse @ point).mul_(self._alpha / math.sqrt(remainder))
        self._directions[self._picked] = direction
        self._picked += 1
        self._moments.addr_(point, point, alpha=self._alpha)
        if self._picked % _REFACTOR:
            self._inverse.addr_(direction, direction, alpha=-1.0 / self._alpha)
        else:
            self._invert()

    def _invert(self) -> None:
        self._inverse = torch.cholesky_inverse(torch.linalg.cholesky(self._moments))


class _KernelProjections:
    def __init__(
        self,
        features: Tensor,
        alpha: float,
        centers: Tensor | None,
        kernel: FittedSimilarity | None,
        chunk_bytes: int,
    ) -> None:
        self._features, self._alpha, self._kernel, self._chunk_bytes = features, alpha, kernel, chunk_bytes
        empty = torch.empty(0, features.shape[1], dtype=torch.float64, device=features.device)
        # Squared distances of rows near the origin cancel less; inner products need the origin where it is.
        self._shift = empty.new_zeros(features.shape[1])
        if kernel is not None:
            for block in float64_blocks(features.shape[0], features.shape[1], features.device):
                self._shift += features[block].to(torch.float64).sum(dim=0) / len(features)
        self._centers = empty if centers is None else centers.to(torch.float64) - self._shift
        gram = alpha * self._products(self._centers, self._centers)
        gram.diagonal().add_(1.0)
        self._first_factor = torch.linalg.cholesky(gram)

    def start(self) -> Tensor:
        self.reset()
        remainder = torch.empty(len(self._features), dtype=torch.float64, device=self._features.device)
        width = 2 * self._features.shape[1] + 3 * len(self._centers)
        for chunk in row_chunks(len(remainder), 8 * width, self._chunk_bytes):
            points = self._exact(chunk)
            own = row_sums(points.square()) if self._kernel is None else torch.ones_like(points[:, 0])
            remainder[chunk] = 1.0 + self._alpha * own - self._project(points).square().sum(dim=1)
        return remainder.clamp_(min=1.0)

    def reset(self) -> None:
        self._chosen, self._factor = self._centers, self._first_factor
        self._size = len(self._centers)
        self._latest: dict[int, Tensor] = {}

    def since(self, rows: Tensor, first: int) -> Tensor:
        z = self._project(self._exact(rows))
        self._latest = dict(zip(rows.tolist(), z, strict=True))
        return z[:, len(self._centers) + first :]

    def add(self, row: int, remainder: float) -> None:
        size = self._size
        point = self._exact(slice(row, row + 1))
        z = self._latest.get(row)
        if z is None or len(z) != size:
            z = self._project(point)[0]
        if size == len(self._factor):
            self._chosen = _with_more_rows(self._chosen)
            factor = torch.zeros(2 * (len(self._chosen),), dtype=torch.float64, device=point.device)
            factor[:size, :size] = self._factor
            self._factor = factor
        self._chosen[size] = point[0]
        self._factor[size, :size], self._factor[size, size] = z, math.sqrt(remainder)
        self._size += 1

    def _exact(self, rows: slice | Tensor) -> Tensor:
        return self._features[rows].to(torch.float64) - self._shift

    def _products(self, a: Tensor, b: Tensor) -> Tensor:
        return a @ b.T if self._kernel is None else self._kernel.of_distance(squared_distances(a, b))

    def _project(self, points: Tensor) -> Tensor:
        """z of each point: (points, size)."""
        right = self._alpha * self._products(self._chosen[: self._size], points)
        factor = self._factor[: self._size, : self._size]
        return torch.linalg.solve_triangular(factor, right, upper=False).T


def _with_more_rows(rows: Tensor) -> Tensor:
    """The rows with room for as many again."""
    return torch.cat([rows, rows.new_zeros(max(64, len(rows)), rows.shape[1])])
