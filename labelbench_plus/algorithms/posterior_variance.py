"""Posterior variance of a linear model or a Gaussian process, and the batches that shrink it most: ALM and ALC."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from labelbench_plus.algorithms.blocks.checks import check_count, check_matrix
from labelbench_plus.algorithms.blocks.detached import detached
from labelbench_plus.algorithms.blocks.pairwise import DEFAULT_CHUNK_BYTES, row_chunks, row_mean, squared_distances
from labelbench_plus.algorithms.blocks.similarity import Rbf, check_centers
from labelbench_plus.algorithms.design.design_matrix import (
    SHRINK,
    check_targets,
    information_matrix,
    inverse_root,
    lowest_best,
    mapped_norms,
)
from labelbench_plus.algorithms.design.greedy_design import d_optimal, v_optimal
from labelbench_plus.algorithms.log_det import Linear, log_det

LINEAR = Linear()


@detached
def posterior_variance(
    features: Tensor,
    labelled: Tensor | None = None,
    *,
    noise: float,
    kernel: Linear | Rbf = LINEAR,
    variance: float = 1.0,
    chunk_bytes: int = DEFAULT_CHUNK_BYTES,
) -> Tensor:
    """Variance of f(x) for every row x, given noisy labels at the labelled rows, f being Gaussian a priori.

    With `Linear()`, f(x) = w·x and w has independent entries of the given variance; with `Rbf(...)`, f is a Gaussian
    process with covariance variance * exp(−‖x − y‖² / γ): γ = 2 l² for a length scale l. Labels do not enter.

    Parameters
    ----------
    features: (N, d) floating point.
    labelled: (m, d) rows whose labels are known.
    noise: variance of the noise of a label, positive.
    kernel: `Linear()` or `Rbf(...)`; the scale that an RBF leaves open is settled on all rows.
    variance: of the prior, positive.
    chunk_bytes: bound on temporary memory.

    Returns
    -------
    (N,) float64, that of f and not of a label: without the noise.

    Raises
    ------
    ValueError
        Not finite, shapes that do not match, noise or variance not positive.

    Notes
    -----
    O(N d² + m d²) time under the linear kernel, O(N m (m + d) + m³) under others; O(N + d²) or O(N + m²) memory.
    Source: Rasmussen and Williams (2006), equations 2.9 and 2.26.
    """
    _check(features, noise, variance)
    labelled = check_centers(features, labelled)
    if isinstance(kernel, Linear):
        information = information_matrix(features, noise / variance, labelled)
        return noise * mapped_norms(features, inverse_root(information), chunk_bytes)
    return _Process(features, features[:0], labelled, noise, kernel, variance, chunk_bytes).variances()


@detached
def max_variance(
    features: Tensor,
    n: int,
    *,
    labelled: Tensor | None = None,
    noise: float,
    kernel: Linear | Rbf = LINEAR,
    variance: float = 1.0,
    chunk_bytes: int = DEFAULT_CHUNK_BYTES,
) -> Tensor:
    """ALM: pick `n` rows, each with the largest posterior variance given what is labelled and picked before it.

    The variance does not depend on labels, so that a batch is conditioned on its own picks exactly. Since the gain of
    a row in log det(I + K / noise) is log(1 + variance / noise), this is the greedy D-optimal design (`d_optimal`)
    for a linear model and `log_det` for any other kernel: those are what is called.

    Parameters
    ----------
    features: (N, d) floating point.
    n: how many rows to pick, 0 to N.
    labelled, noise, kernel, variance, chunk_bytes: as in `posterior_variance`.

    Returns
    -------
    (n,) int64 row indices in the order of picking, no repeats. Ties, cost and guarantee: those of `d_optimal` and
    `log_det`.

    Raises
    ------
    ValueError
        As in `posterior_variance`, and n out of range.

    Source: MacKay (1992), "Information-based objective functions for active data selection".
    """
    _check(features, noise, variance)
    if isinstance(kernel, Linear):
        return d_optimal(features, n, ridge=noise / variance, labelled=labelled)
    alpha = variance / noise
    return log_det(features, n, alpha=alpha, centers=labelled, kernel=kernel, chunk_bytes=chunk_bytes)


@detached
def alc(
    features: Tensor,
    n: int,
    *,
    labelled: Tensor | None = None,
    targets: Tensor | None = None,
    noise: float,
    kernel: Linear | Rbf = LINEAR,
    variance: float = 1.0,
    chunk_bytes: int = DEFAULT_CHUNK_BYTES,
) -> Tensor:
    """ALC: pick `n` rows, each lowering the mean posterior variance over the targets most.

    A label at x lowers it by the mean over targets u of cov(u, x)² / (var(x) + noise), given what is labelled and
    picked before. For a linear model that is the greedy V-optimal design, and `v_optimal` is what is called.

    Parameters
    ----------
    features: (N, d) floating point.
    n: how many rows to pick, 0 to N.
    targets: (M, d) rows whose variance counts; by default the candidates, those picked included.
    labelled, noise, kernel, variance, chunk_bytes: as in `posterior_variance`.

    Returns
    -------
    (n,) int64 row indices in the order of picking, no repeats. Gains within one part in 10⁹ of the best are ties,
    which the lowest index wins.

    Raises
    ------
    ValueError
        As in `posterior_variance`, no target, and n out of range.

    Notes
    -----
    Under a kernel that is not linear: O(N M (d + m + t)) time to start, O(N (M + m + t) d) a pick, t the picks so
    far; O(N + M + (m + t)²) memory and temporaries of `chunk_bytes`: take a sample of a large pool as targets. Two
    sums a row are updated by each pick and computed anew when subtraction has eaten three digits of the winner's.
    The objective is monotone, but not submodular: greedy has no constant guarantee.

    Source: Cohn, Ghahramani and Jordan (1996), "Active learning with statistical models"; for Gaussian
    processes Seo et al. (2000), "Gaussian process regression: active data selection and test point rejection".
    """
    _check(features, noise, variance)
    if isinstance(kernel, Linear):
        return v_optimal(features, n, ridge=noise / variance, labelled=labelled, targets=targets)
    check_count(n, len(features))
    if n == 0:
        return torch.empty(0, dtype=torch.int64, device=features.device)
    targets = check_targets(targets, features)
    process = _Process(features, targets, check_centers(features, labelled), noise, kernel, variance, chunk_bytes)
    process.start()
    picks: list[int] = []
    for _ in range(n):
        row = process.best(picks)
        picks.append(row)
        if len(picks) < n:
            process.add(row)
    return torch.tensor(picks, dtype=torch.int64, device=features.device)


class _Process:
    """A Gaussian process conditioned on a growing set of rows; for every candidate x its variance and Σ cov(u, x)²."""

    def __init__(
        self,
        features: Tensor,
        targets: Tensor,
        labelled: Tensor | None,
        noise: float,
        kernel: Rbf,
        variance: float,
        chunk_bytes: int,
    ) -> None:
        self._features, self._targets, self._noise, self._variance = features, targets, noise, variance
        self._kernel, self._chunk_bytes = kernel.fit(features, labelled), chunk_bytes
        # Distances from a product cancel less near the origin.
        self._shift = row_mean(features) if len(features) else features.new_zeros(features.shape[1]).double()
        self._chosen = self._exact(features[:0] if labelled is None else labelled)
        gram = self._prior(self._chosen, self._chosen)
        gram.diagonal().copy_(torch.full_like(gram.diagonal(), variance + noise))
        self._factor = torch.linalg.cholesky(gram)

    def variances(self) -> Tensor:
        """(N,) given what is chosen."""
        out = torch.empty(len(self._features), dtype=torch.float64, device=self._features.device)
        for rows, points in self._parts(self._features, len(self._chosen)):
            out[rows] = self._variance - self._project(points).square_().sum(dim=0)
        return out.clamp_(min=0)

    def start(self) -> None:
        """Compute variances and sums anew."""
        self.variance, self.total = self.variances(), torch.zeros_like(self._features[:, 0], dtype=torch.float64)
        for _, targets in self._parts(self._targets, len(self._chosen) + 1024):
            seen = self._project(targets)
            for rows, points in self._parts(self._features, len(self._chosen) + len(targets)):
                covariances = torch.addmm(self._prior(points, targets), self._project(points).T, seen, alpha=-1)
                self.total[rows] += covariances.square_().sum(dim=1)
        self._reference, self._fresh = self.total.clone(), True

    def best(self, picks: list[int]) -> int:
        while True:
            gains = self.total / (self.variance + self._noise)
            gains[picks] = -math.inf
            row = lowest_best(gains)
            if self._fresh or float(self.total[row]) >= SHRINK * float(self._reference[row]):
                return row
            self.start()

    def add(self, row: int) -> None:
        """Condition on a row: cov(u, x) loses cov(u, row) cov(row, x) / (var(row) + noise)."""
        point = self._exact(self._features[row : row + 1])
        z = self._project(point)
        spread = self._variance - float(z.square().sum()) + self._noise
        solved = torch.linalg.solve_triangular(self._factor.T, z, upper=True)  # of the chosen, so that k·solved = V'z
        along_targets = self._covariance(self._targets, point, solved)
        squares = float(along_targets.square().sum())
        # Σ over targets of cov(u, x) cov(u, row): what the kernel gives, less what the chosen explain of it.
        explained = torch.zeros_like(solved)
        for rows, targets in self._parts(self._targets, len(self._chosen)):
            explained += self._prior(self._chosen, targets) @ along_targets[rows]
        explained = torch.cholesky_solve(explained, self._factor)
        for rows, points in self._parts(self._features, len(self._chosen) + len(self._targets)):
            prior = self._prior(points, self._chosen)
            covariance = (self._prior(points, point) - prior @ solved)[:, 0]
            cross = -(prior @ explained)[:, 0]
            for columns, targets in self._parts(self._targets, len(points)):
                cross += (self._prior(points, targets) @ along_targets[columns])[:, 0]
            shrink = covariance / spread
            self.total[rows] += shrink * (shrink * squares - 2 * cross)
            self.variance[rows] -= shrink * covariance
        self.variance.clamp_(min=0)
        self.total.clamp_(min=0)
        self._fresh = False
        self._choose(point, z, spread)

    def _choose(self, point: Tensor, z: Tensor, spread: float) -> None:
        size = len(self._chosen)
        factor = torch.zeros(size + 1, size + 1, dtype=torch.float64, device=z.device)
        factor[:size, :size], factor[size, :size], factor[size, size] = self._factor, z[:, 0], math.sqrt(spread)
        self._factor, self._chosen = factor, torch.cat([self._chosen, point])

    def _covariance(self, rows: Tensor, point: Tensor, solved: Tensor) -> Tensor:
        """(len(rows), 1) posterior covariances with one point."""
        parts = [
            self._prior(points, point) - self._prior(points, self._chosen) @ solved
            for _, points in self._parts(rows, len(self._chosen))
        ]
        return torch.cat(parts)

    def _exact(self, rows: Tensor) -> Tensor:
        return rows.to(torch.float64) - self._shift

    def _prior(self, a: Tensor, b: Tensor) -> Tensor:
        return self._kernel.of_distance(squared_distances(a, b)).mul_(self._variance)

    def _project(self, points: Tensor) -> Tensor:
        """(chosen, points): the factor's inverse times the prior covariances with the chosen."""
        return torch.linalg.solve_triangular(self._factor, self._prior(self._chosen, points), upper=False)

    def _parts(self, rows: Tensor, width: int) -> Iterator[tuple[slice, Tensor]]:
        """Blocks of rows for work on arrays of `width` float64 numbers a row."""
        for where in row_chunks(len(rows), 8 * (3 * width + 2 * rows.shape[1]), self._chunk_bytes):
            yield where, self._exact(rows[where])


def _check(features: Tensor, noise: float, variance: float) -> None:
    check_matrix(features, "features")
    for name, value in (("noise", noise), ("variance", variance)):
        if not (value > 0 and math.isfinite(value)):
            raise ValueError(f"{name} must be positive and finite, got {value}")
