"""Gaussian process regression with hyperparameters that are given: what labels make of a prior, in closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from labelbench_plus.algorithms.blocks.checks import check_finite, check_matrix
from labelbench_plus.algorithms.blocks.detached import detached
from labelbench_plus.algorithms.blocks.pairwise import squared_distances
from labelbench_plus.algorithms.blocks.row_blocks import row_blocks, score_rows


@dataclass(frozen=True)
class GaussianProcessFit:
    """A process with covariance variance * exp(−‖x − y‖² / (2 length²)), given noisy labels at some points.

    Attributes
    ----------
    points: (n, d) float64, shifted by `centre` (d,): distances from a product cancel less near the origin.
    variance, length, noise: of the prior, of its covariance, and of a label around the function.
    factor: (n, n) lower, the Cholesky factor of the labels' covariance.
    weights: (n,) what the labels' covariance maps to the labels.
    """

    points: Tensor
    centre: Tensor
    variance: float
    length: float
    noise: float
    factor: Tensor
    weights: Tensor

    def predictions(self, features: Tensor) -> Tensor:
        """(N,) float64 of features (N, d)."""
        return score_rows(features, lambda block: self._covariance(block) @ self.weights, torch.float64)

    def posterior_variance(self, features: Tensor) -> Tensor:
        """(N,) float64, of the function: without the noise of a label."""

        def score(block: Tensor) -> Tensor:
            seen = torch.linalg.solve_triangular(self.factor, self._covariance(block).T, upper=False)
            return (self.variance - seen.square().sum(dim=0)).clamp_(min=0)

        return score_rows(features, score, torch.float64)

    def without(self, rows: Tensor, features: Tensor) -> Tensor:
        """(K, N) float64, predictions of features (N, d) by the processes that lack one label each.

        Without label i the weights are α − A⁻¹e_i α_i / A⁻¹_ii, A the labels' covariance and α = A⁻¹y.

        Parameters
        ----------
        rows: (K,) int64, the labels to leave out.
        """
        unit = torch.eye(len(self.points), dtype=torch.float64, device=self.points.device)[:, rows]
        columns = torch.cholesky_solve(unit, self.factor)
        own = columns[rows, torch.arange(len(rows), device=rows.device)]
        weights = self.weights[:, None] - columns * (self.weights[rows] / own)
        out = torch.empty(len(rows), len(features), dtype=torch.float64, device=features.device)
        for part, block in row_blocks(features, torch.float64):
            out[:, part] = (self._covariance(block) @ weights)[: part.stop - part.start].T
        return out

    def _covariance(self, block: Tensor) -> Tensor:
        """(rows, n) with the labelled points."""
        return covariance(squared_distances(block - self.centre, self.points), self.variance, self.length)


@detached
def gaussian_process(
    features: Tensor, labels: Tensor, *, variance: float, length: float, noise: float
) -> GaussianProcessFit:
    """Condition a Gaussian process of mean zero on labels.

    Parameters
    ----------
    features: (n, d) floating point, n at least 1. labels: (n,) floating point.
    variance, length, noise: as in `GaussianProcessFit`, positive.

    Returns
    -------
    GaussianProcessFit.

    Raises
    ------
    ValueError
        Not finite, shapes that do not match, no examples, or hyperparameters that are not positive.

    Notes
    -----
    O(n² d + n³) time. Predictions of N points take O(N n d), their variance O(N n²), in blocks of rows.
    Source: Rasmussen and Williams (2006), algorithm 2.1 and, for leaving labels out, equations 5.10 to 5.12.
    """
    check_matrix(features, "features")
    if labels.shape != features.shape[:1] or not labels.is_floating_point():
        raise ValueError(f"labels must be {len(features)} floating-point numbers, got {labels.dtype} {labels.shape}")
    check_finite(labels, "labels")
    if len(labels) == 0:
        raise ValueError("no examples to learn from: features and labels are empty")
    for name, value in (("variance", variance), ("length", length), ("noise", noise)):
        if not (value > 0 and math.isfinite(value)):
            raise ValueError(f"{name} must be positive and finite, got {value}")
    exact = features.detach().to(torch.float64)
    centre = exact.mean(dim=0)
    points = exact - centre
    gram = covariance(squared_distances(points, points), variance, length)
    gram.diagonal().copy_(torch.full_like(gram.diagonal(), variance + noise))
    factor = torch.linalg.cholesky(gram)
    weights = torch.cholesky_solve(labels.detach().to(points)[:, None], factor)[:, 0]
    return GaussianProcessFit(points, centre, variance, length, noise, factor, weights)


@detached
def covariance(squared: Tensor, variance: float, length: float) -> Tensor:
    """What squared distances make of the prior."""
    return variance * torch.exp(squared * (-0.5 / length**2))
