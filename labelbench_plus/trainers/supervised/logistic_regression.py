"""Multinomial logistic regression on frozen features: the linear probe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Gt

from labelbench_plus.trainers import trainers
from labelbench_plus.trainers._kept import RestoresState

if TYPE_CHECKING:
    from torch import Tensor

    from labelbench_plus.algorithms.learners.logistic_regression import LogisticRegressionFit
    from labelbench_plus.problems.classification import ClassificationData
    from labelbench_plus.seeding import Streams


@dataclass(frozen=True)
class LinearModel:
    """A linear classifier; its embedding is its input."""

    fit: LogisticRegressionFit

    def probabilities(self, features: Tensor) -> Tensor:
        return self.fit.probabilities(features)

    def embeddings(self, features: Tensor) -> Tensor:
        return features


@trainers.register("logistic_regression")
@dataclass(frozen=True)
class LogisticRegression(RestoresState):
    """Minimise mean cross-entropy + l2/2 · ‖weights‖² to convergence. Deterministic: no randomness, no step size.

    Each round starts from the previous round's optimum, which changes the time taken, not the optimum.
    """

    title = "Logistic regression"
    task = "classification"
    provides = frozenset({"probabilities", "embeddings"})
    continues = True

    l2: Annotated[float, Gt(0)] = 0.01

    def fit(self, data: ClassificationData, streams: Streams, previous: LinearModel | None) -> LinearModel:
        from labelbench_plus.algorithms.learners.logistic_regression import logistic_regression

        labelled = data.labelled
        start = previous.fit if previous else None
        return LinearModel(
            logistic_regression(labelled.features, labelled.labels, data.num_classes, l2=self.l2, start=start)
        )

    def state_of(self, model: LinearModel) -> dict[str, Any]:
        return vars(model.fit)

    def model_of(self, state: dict[str, Any]) -> LinearModel:
        from labelbench_plus.algorithms.learners.logistic_regression import LogisticRegressionFit

        return LinearModel(LogisticRegressionFit(**state))
