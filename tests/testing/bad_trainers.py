"""Trainers of real values that are wrong in one way each, which no other check may find."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from labelbench_plus.algorithms.learners.ridge import RidgeFit, ridge_regression
from labelbench_plus.plugins import registry
from labelbench_plus.trainers import Trainer
from tests.testing.bad import bad_of

bad = bad_of(registry("trainers"))


@dataclass(frozen=True)
class Line:
    """A line, and how unsure it is."""

    fit: RidgeFit

    def predictions(self, features):
        return self.fit.predictions(features)

    def variance(self, features):
        return self.fit.variance(features)


class Good(Trainer):
    """Ridge regression."""

    task = "regression"
    provides = frozenset({"predictions", "variance"})

    def fit(self, data, streams, previous):
        return Line(ridge_regression(data.labelled.features, data.labelled.values, l2=1.0))


@bad("constant_labels")
class DividesByTheDeviation(Good):
    """Learns in units of the labels' standard deviation, which may be zero."""

    def fit(self, data, streams, previous):
        values = data.labelled.values
        if len(values) < 2:
            return super().fit(data, streams, previous)
        level, scale = values.mean(), values.std(correction=0)
        learned = ridge_regression(data.labelled.features, (values - level) / scale, l2=1.0)
        return InUnits(learned, float(level), float(scale))


@dataclass(frozen=True)
class InUnits:
    """A line in other units."""

    fit: RidgeFit
    level: float
    scale: float

    def predictions(self, features):
        return self.level + self.scale * self.fit.predictions(features)

    def variance(self, features):
        return self.scale**2 * self.fit.variance(features)


@bad("constant_labels")
class HasNoLevel(Good):
    """Holds that values lie around zero."""

    def fit(self, data, streams, previous):
        features, values = data.labelled.features.double(), data.labelled.values
        inner = features.T @ features + 1e-3 * torch.eye(features.shape[1], dtype=torch.float64)
        return Origin(torch.linalg.solve(inner, features.T @ values))


@dataclass(frozen=True)
class Origin:
    """A line through the origin."""

    weights: torch.Tensor

    def predictions(self, features):
        return features.double() @ self.weights

    def variance(self, features):
        return features.double().square().sum(dim=1)


@bad("constant_labels")
class LessThanSure(Good):
    """Takes off from its variance what it thinks is noise."""

    def fit(self, data, streams, previous):
        fitted = super().fit(data, streams, previous)
        return Overdone(fitted.fit)


class Overdone(Line):
    """A line that is surer than sure."""

    def variance(self, features):
        return self.fit.variance(features) - 1e-3


@bad("learns")
class KnowsTheMean(Good):
    """Predicts the mean of what was bought."""

    def fit(self, data, streams, previous):
        fitted = super().fit(data, streams, previous).fit
        return Line(replace(fitted, weight=torch.zeros_like(fitted.weight)))
