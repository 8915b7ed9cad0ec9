"""Similarities of two rows: decreasing functions of a squared distance, with values between zero and one."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from labelbench_plus.algorithms.blocks.checks import check_matrix
from labelbench_plus.algorithms.blocks.neighbours import nearest_neighbours
from labelbench_plus.algorithms.blocks.pairwise import float64_blocks, row_sums

VANISHED = 745.0
"""exp(−x) is nothing in double precision from about here on."""

logger = logging.getLogger(__name__)


class FittedSimilarity(Protocol):
    """A similarity whose scale is settled: `of_distance(‖z(x) − z(y)‖²)` with z = `embed`."""

    @property
    def noise(self) -> float:
        """How far rounding may move a similarity taken from a matrix product in float64."""

    def embed(self, rows: Tensor) -> Tensor:
        """Map rows to where their distance gives the similarity; the rows themselves where it is theirs."""

    def of_distance(self, squared: Tensor) -> Tensor:
        """Similarity at these squared distances; negative arguments, from rounding, count as zero."""

    def reach(self, values: Tensor) -> Tensor:
        """Largest squared distance at which the similarity may still exceed these values."""


class Similarity(Protocol):
    """A choice of similarity, before it has seen data."""

    def fit(self, features: Tensor, centers: Tensor | None) -> FittedSimilarity:
        """Settle the scale on all rows, those to choose from and those chosen already."""


@dataclass(frozen=True)
class Rbf:
    """Gaussian similarity exp(−‖x − y‖² / γ).

    gamma: γ, in squared units of the features; None takes `scale` times the mean squared distance of two rows, so
        that the choice does not depend on the units of the features. Constant features get γ = 1.
    scale: c of that rule. Rows already chosen count too: γ stays the same while rows move from pool to labelled.

    Where γ is so small that the similarity of any two different rows vanishes, nothing is left to choose by. Then γ is
    raised to the mean squared distance of a row to its nearest different one, and a warning says so.
    """

    gamma: float | None = None
    scale: float = 1.0

    def __post_init__(self) -> None:
        for name, value in (("gamma", self.gamma), ("scale", self.scale)):
            if value is not None and not (value > 0 and math.isfinite(value)):
                raise ValueError(f"{name} of an RBF must be positive and finite, got {value}")

    def fit(self, features: Tensor, centers: Tensor | None) -> FittedSimilarity:
        spread = mean_squared_distance(features, centers)
        gamma = self.gamma if self.gamma is not None else self.scale * spread
        far = gamma * VANISHED
        if 0 < far < spread and len(nearest := _nearest_squared(features, centers)) and float(nearest.min()) > far:
            logger.warning(
                "at a width of γ = %.3g no two rows are similar (the nearest two are √%.3g apart): γ = %.3g is taken, "
                "the mean squared distance to the nearest row",
                *(gamma, float(nearest.min()), float(nearest.mean())),
            )
            gamma = float(nearest.mean())
        return _FittedRbf(gamma=gamma if gamma > 0 else 1.0, spread=spread)


@dataclass(frozen=True)
class Cosine:
    """Cosine of the angle between two rows, negative values taken as zero.

    The clamp is what makes a row that points away from every chosen row merely not represented. Without it,
    facility location would not be defined on the empty set (max over nothing must be a lower bound of w), and would
    not be monotone from there. A row of zeros has no direction and is refused.
    """

    def fit(self, features: Tensor, centers: Tensor | None) -> FittedSimilarity:
        for rows, name in ((features, "features"), (centers, "centers")):
            if rows is not None:
                zero = (rows == 0).all(dim=1)
                if bool(zero.any()):
                    raise ValueError(
                        f"cosine similarity needs non-zero rows, but row {int(zero.nonzero()[0])} of {name} is zero"
                    )
        return _FittedCosine()


@dataclass(frozen=True)
class _FittedRbf:
    gamma: float
    spread: float

    @property
    def noise(self) -> float:
        return 2.0**-48 * (1.0 + self.spread / self.gamma)

    def embed(self, rows: Tensor) -> Tensor:
        return rows

    def of_distance(self, squared: Tensor) -> Tensor:
        return squared.clamp(min=0).mul_(-1.0 / self.gamma).exp_()

    def reach(self, values: Tensor) -> Tensor:
        return values.log().mul_(-self.gamma)


@dataclass(frozen=True)
class _FittedCosine:
    noise = 2.0**-48

    def embed(self, rows: Tensor) -> Tensor:
        unit = torch.empty(rows.shape, dtype=torch.float64, device=rows.device)
        for chunk in float64_blocks(rows.shape[0], rows.shape[1], rows.device):
            exact = rows[chunk].to(torch.float64)
            # By its largest entry first, lest the square of a norm overflow or vanish.
            exact = exact / exact.abs().amax(dim=1, keepdim=True)
            unit[chunk] = exact / row_sums(exact.square()).sqrt_()[:, None]
        return unit

    def of_distance(self, squared: Tensor) -> Tensor:
        # ‖x − y‖² = 2 − 2 cos on unit rows.
        return squared.clamp(min=0).mul_(-0.5).add_(1.0).clamp_(min=0)

    def reach(self, values: Tensor) -> Tensor:
        return 2.0 - 2.0 * values


def _nearest_squared(features: Tensor, centers: Tensor | None) -> Tensor:
    """Squared distance of each different row to the nearest other one; nothing if there are fewer than two."""
    rows = (features if centers is None else torch.cat([features, centers])).unique(dim=0)
    return nearest_neighbours(rows, min(1, len(rows) - 1)).squared_distances.flatten()


def mean_squared_distance(features: Tensor, centers: Tensor | None = None) -> float:
    """Mean of ‖x − y‖² over all ordered pairs of the rows of both matrices, a row with itself included.

    Twice the trace of the covariance: O(N d) time, no pair is looked at.
    """
    sides = [features] if centers is None else [features, centers]
    total = sum(side.shape[0] for side in sides)
    if total == 0:
        return 0.0
    blocks = [side[rows] for side in sides for rows in float64_blocks(side.shape[0], side.shape[1], features.device)]
    mean = torch.zeros(features.shape[1], dtype=torch.float64, device=features.device)
    for block in blocks:
        mean += block.to(torch.float64).sum(dim=0)
    mean /= total
    squares = sum(float((block.to(torch.float64) - mean).square_().sum()) for block in blocks)
    return 2.0 * squares / total


def check_centers(features: Tensor, centers: Tensor | None) -> Tensor | None:
    """Return the rows chosen already, None where there are none; refused unless they fit the features.

    Raises
    ------
    ValueError
        Not a finite matrix with as many columns as the features.
    """
    if centers is None:
        return None
    check_matrix(centers, "centers")
    if centers.shape[1] != features.shape[1]:
        raise ValueError(f"centers have {centers.shape[1]} columns, features {features.shape[1]}: they must agree")
    return centers if centers.shape[0] else None
