"""Ridge regression in closed form: penalty chosen by leaving one out, variance, and committees of its refits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from numpy.random import Generator
from torch import Tensor

from labelbench_plus.algorithms.blocks.checks import check_finite, check_matrix
from labelbench_plus.algorithms.blocks.detached import detached
from labelbench_plus.algorithms.blocks.pairwise import row_mean
from labelbench_plus.algorithms.blocks.row_blocks import row_blocks, score_rows

GRID = tuple(10 ** (half / 2) for half in range(-16, 5))
"""Penalties tried, in units of the largest eigenvalue of the features' scatter matrix."""

TIE = 1e-9  # relative; errors that close are equal


@dataclass(frozen=True)
class LinearModels:
    """K linear models x ↦ level_k + weight_k · (x − mean). weight: (K, d), level: (K,), mean: (d,), all float64."""

    weight: Tensor
    level: Tensor
    mean: Tensor

    def predictions(self, features: Tensor) -> Tensor:
        """(K, N) float64 of features (N, d)."""
        out = torch.empty(len(self.level), len(features), dtype=torch.float64, device=features.device)
        for rows, block in row_blocks(features, torch.float64):
            made = torch.addmm(self.level[:, None], self.weight, (block - self.mean).T)
            out[:, rows] = made[:, : rows.stop - rows.start]
        return out


@dataclass(frozen=True)
class RidgeFit:
    """A ridge regression, with what its variance takes.

    Attributes
    ----------
    weight: (d,) float64.
    level: mean of the labels, the prediction at `mean`.
    mean: (d,) float64, of the features.
    l2: the penalty.
    noise: estimate of the variance of a label around the model: squared residuals over n less the effective number
        of parameters; 0 where a single label leaves nothing to estimate it from.
    count: n, labels the fit has seen.
    directions: (r, d) float64, orthonormal, the directions the training features vary in.
    spectrum: (r,) float64, their scatter (sum of squares) along them.
    """

    weight: Tensor
    level: float
    mean: Tensor
    l2: float
    noise: float
    count: int
    directions: Tensor
    spectrum: Tensor

    def predictions(self, features: Tensor) -> Tensor:
        """(N,) float64 of features (N, d)."""
        return score_rows(features, lambda block: (block - self.mean) @ self.weight + self.level, torch.float64)

    def variance(self, features: Tensor) -> Tensor:
        """(N,) float64, the posterior variance of the prediction itself: without the `noise` of a new label.

        noise · (1/n + (x − mean)ᵀ (XᵀX + l2)⁻¹ (x − mean)) with X the centred training features: that of Bayesian
        linear regression with prior variance noise / l2 of the weights and a level of which nothing is known.
        """
        inside = 1 / (self.spectrum + self.l2)

        def score(block: Tensor) -> Tensor:
            centred = block - self.mean
            along = centred @ self.directions.T
            form = along.square() @ inside
            if len(self.directions) < len(self.mean):
                form += (centred - along @ self.directions).square_().sum(dim=1) / self.l2
            return form.add_(1 / self.count).mul_(self.noise)

        return score_rows(features, score, torch.float64)


@detached
def ridge_regression(
    features: Tensor, labels: Tensor, *, l2: float | None = None, grid: Sequence[float] = GRID
) -> RidgeFit:
    """Minimise Σ_i (y_i − w·x_i − b)² + l2 ‖w‖² over w and b, in closed form; b is not penalised.

    Parameters
    ----------
    features: (n, d) floating point, n at least 1.
    labels: (n,) floating point.
    l2: penalty, positive, in squared units of the features. None chooses it: the penalty with the least mean squared
        error of leaving one out, which has a closed form too; of equals the largest.
    grid: what it is chosen from, in units of the largest eigenvalue of the features' scatter matrix, so that the
        choice does not depend on the units of features or labels.

    Returns
    -------
    RidgeFit.

    Raises
    ------
    ValueError
        Not finite, shapes that do not match, no examples, or a penalty that is not positive.

    Notes
    -----
    O(n d min(n, d)) time for the singular value decomposition, O(n r) for each penalty tried; no draw is made.
    Source: Hoerl and Kennard (1970); Allen (1974), "The relationship between variable selection and data augmentation
    and a method for prediction" (PRESS): y_i − f₋ᵢ(x_i) = e_i / (1 − h_i).
    """
    data = CentredData.of(features, labels)
    if l2 is None:
        l2 = _best_penalty(data, grid)
    return RidgeFit(*data.fit_parts(check_penalty(l2)))


@detached
def leave_one_out(features: Tensor, labels: Tensor, *, l2: float, rows: Tensor | None = None) -> LinearModels:
    """The ridge regressions that lack one example each, all from one fit.

    Parameters
    ----------
    features, labels, l2: as in `ridge_regression`; n at least 2.
    rows: (K,) int64, the examples to leave out; by default each of them.

    Returns
    -------
    LinearModels, one for each of `rows`.

    Raises
    ------
    ValueError
        As in `ridge_regression`, or fewer than two examples.

    Notes
    -----
    O(K d r) time beyond that of a fit. Without example i the weights are w − (XᵀX + l2)⁻¹ x_i e_i / (1 − h_i)
    (Sherman and Morrison).
    """
    data = CentredData.of(features, labels)
    if data.count < 2:
        raise ValueError("leaving one out needs at least two examples, got 1")
    check_penalty(l2)
    chosen = slice(None) if rows is None else rows
    change = data.left_out_residuals(l2)[chosen]
    # (XᵀX + l2)⁻¹ x_i in the basis of the directions: x_i has no part outside them.
    moved = data.left[chosen] * (data.spectrum.sqrt() / (data.spectrum + l2))
    weight = data.weight(l2) - (moved * change[:, None]) @ data.directions
    return LinearModels(weight, data.level - change / data.count, data.mean)


@detached
def bootstrap(features: Tensor, labels: Tensor, rng: Generator, *, members: int, l2: float) -> LinearModels:
    """Ridge regressions on examples drawn with replacement, as many as there are.

    Parameters
    ----------
    features, labels, l2: as in `ridge_regression`.
    rng: source of all randomness.
    members: K, how many, at least 1.

    Returns
    -------
    LinearModels.

    Raises
    ------
    ValueError
        As in `ridge_regression`, or no member wanted.

    Notes
    -----
    O(n r²) time a member beyond one decomposition. Source: Efron (1979), "Bootstrap methods: another look at the
    jackknife".
    """
    if members < 1:
        raise ValueError(f"members must be at least 1, got {members}")
    data = CentredData.of(features, labels)
    check_penalty(l2)
    points = data.left * data.spectrum.sqrt()
    weights, levels = [], []
    for _ in range(members):
        drawn = torch.from_numpy(rng.integers(data.count, size=data.count)).to(features.device)
        x, y = points[drawn], data.labels[drawn]
        centre, level = x.mean(dim=0), y.mean()
        centred = x - centre
        gram = centred.T @ centred
        gram.diagonal().add_(l2)
        solved = torch.linalg.solve(gram, centred.T @ (y - level))
        weights.append(solved)
        levels.append(data.level + level - centre @ solved)
    return LinearModels(torch.stack(weights) @ data.directions, torch.stack(levels), data.mean)


@dataclass(frozen=True)
class CentredData:
    """Centred training features U S Vᵀ and labels, in float64.

    count: n. mean: (d,), level: the labels' mean. labels: (n,) centred. left: U (n, r), spectrum: S² (r,),
    directions: Vᵀ (r, d), of the singular values that are not zero, so that r < n. along: Uᵀ labels (r,).
    """

    count: int
    mean: Tensor
    level: float
    labels: Tensor
    left: Tensor
    spectrum: Tensor
    directions: Tensor
    along: Tensor

    @classmethod
    def of(cls, features: Tensor, labels: Tensor) -> CentredData:
        """From (n, d) features and (n,) labels, refused unless finite and at least one."""
        check_matrix(features, "features")
        if labels.shape != features.shape[:1] or not labels.is_floating_point():
            raise ValueError(
                f"labels must be {len(features)} floating-point numbers, one per row of features, got {labels.dtype} "
                f"{tuple(labels.shape)}"
            )
        check_finite(labels, "labels")
        if len(labels) == 0:
            raise ValueError("no examples to learn from: features and labels are empty")
        x, y = features.detach().to(torch.float64), labels.detach().to(features.device, torch.float64)
        mean, level = row_mean(x), float(y.mean())
        left, singular, directions = torch.linalg.svd(x - mean, full_matrices=False)
        largest = float(singular.max()) if len(singular) else 0.0
        rounding = max(x.shape) * torch.finfo(torch.float64).eps
        smallest = rounding * max(largest, float(x.abs().max()) if x.numel() else 0.0)
        rank = min(int((singular > smallest).sum()), len(x) - 1)
        left, y = left[:, :rank], y - level
        return cls(len(x), mean, level, y, left, singular[:rank].square(), directions[:rank], left.T @ y)

    @property
    def scale(self) -> float:
        """The largest eigenvalue of the scatter matrix; 1 where features are constant."""
        return float(self.spectrum[0]) if len(self.spectrum) else 1.0

    def weight(self, l2: float) -> Tensor:
        """(d,)."""
        return (self.along * self.spectrum.sqrt() / (self.spectrum + l2)) @ self.directions

    def residuals(self, l2: float) -> Tensor:
        """(n,) labels less what the fit says of them."""
        return self._outside_labels() + self.left @ (self.along * self._left_over(l2))

    def freedom(self, l2: float) -> float:
        """n less the effective number of parameters."""
        # As a sum of positive terms: where the fit is nearly exact the difference would cancel.
        return self.count - 1 - len(self.spectrum) + float(self._left_over(l2).sum())

    def left_out_residuals(self, l2: float) -> Tensor:
        """(n,) residual e_i / (1 − h_i) of each example under the fit without it; n at least 2."""
        shares = self.left.square()
        outside = torch.zeros_like(self.labels)
        if len(self.spectrum) < self.count - 1:
            outside = (1 - 1 / self.count - shares.sum(dim=1)).clamp_(min=0)
        # An example that alone spans a direction leaves nothing to tell there: its residual is unchanged.
        rest = outside + shares @ self._left_over(l2)
        return self.residuals(l2) / rest.clamp(min=torch.finfo(torch.float64).tiny)

    def fit_parts(self, l2: float) -> tuple[Tensor, float, Tensor, float, float, int, Tensor, Tensor]:
        """The fields of a `RidgeFit`."""
        freedom = self.freedom(l2)
        noise = float(self.residuals(l2).square().sum()) / freedom if freedom > 0 else 0.0
        return self.weight(l2), self.level, self.mean, l2, noise, self.count, self.directions, self.spectrum

    def _outside_labels(self) -> Tensor:
        """What of the labels no weights can fit."""
        if len(self.spectrum) == self.count - 1:
            return torch.zeros_like(self.labels)
        return self.labels - self.left @ self.along

    def _left_over(self, l2: float) -> Tensor:
        """(r,) share of the labels along each direction that the penalty leaves unfitted."""
        return l2 / (self.spectrum + l2)


def check_penalty(l2: float) -> float:
    """Return `l2`, refused unless positive and finite."""
    if not (l2 > 0 and math.isfinite(l2)):
        raise ValueError(f"l2 must be positive and finite, got {l2}")
    return l2


def _best_penalty(data: CentredData, grid: Sequence[float]) -> float:
    penalties = sorted(check_penalty(share) * data.scale for share in grid)
    if not penalties:
        raise ValueError("grid must hold at least one penalty")
    if data.count < 2:
        return penalties[-1]
    errors = [float(data.left_out_residuals(l2).square().mean()) for l2 in penalties]
    return max(l2 for l2, error in zip(penalties, errors, strict=True) if error <= min(errors) * (1 + TIE))
