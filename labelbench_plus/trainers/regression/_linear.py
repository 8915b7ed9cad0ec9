"""The model of trainers that fit a line: mean and variance of one fit, members beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from labelbench_plus.algorithms.learners.ridge import LinearModels, RidgeFit


@dataclass(frozen=True)
class LinearValues:
    """A linear model of values and others that are plausible; its embedding is its input."""

    fit: RidgeFit
    others: LinearModels

    @property
    def noise(self) -> float:
        """Variance of a label around the model."""
        return self.fit.noise

    def predictions(self, features: Tensor) -> Tensor:
        return self.fit.predictions(features)

    def variance(self, features: Tensor) -> Tensor:
        return self.fit.variance(features)

    def members(self, features: Tensor) -> Tensor:
        return self.others.predictions(features)

    def embeddings(self, features: Tensor) -> Tensor:
        return features
