"""Binary relevance: one logistic regression for each label, on frozen features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Gt

from labelbench_plus.reference import Reference
from labelbench_plus.trainers import trainers
from labelbench_plus.trainers._kept import RestoresState

if TYPE_CHECKING:
    from torch import Tensor

    from labelbench_plus.algorithms.learners.binary_logistic_regression import BinaryLogisticFit
    from labelbench_plus.problems.multilabel import MultilabelData
    from labelbench_plus.seeding import Streams


@dataclass(frozen=True)
class BinaryRelevanceModel:
    """A linear classifier for each label; its embedding is its input."""

    fit: BinaryLogisticFit

    def label_probabilities(self, features: Tensor) -> Tensor:
        return self.fit.probabilities(features)

    def embeddings(self, features: Tensor) -> Tensor:
        return features


@trainers.register("binary_relevance")
@dataclass(frozen=True)
class BinaryRelevance(RestoresState):
    """For each label minimise mean cross-entropy + l2/2 · ‖weights‖² to convergence; labels do not see each other.

    Deterministic: no draw, no step size. Each round starts from the previous round's optimum, which changes the time
    taken, not the optimum. A label that no bought item has is never predicted.

    Source: the baseline of Tsoumakas, Katakis, Multi-label classification: an overview (2007).
    """

    title = "Binary relevance"
    reference = Reference(("Tsoumakas", "Katakis"), 2007, "Multi-label classification: an overview")
    task = "multilabel"
    provides = frozenset({"label_probabilities", "embeddings"})
    continues = True

    l2: Annotated[float, Gt(0)] = 0.01

    def fit(
        self, data: MultilabelData, streams: Streams, previous: BinaryRelevanceModel | None
    ) -> BinaryRelevanceModel:
        from labelbench_plus.algorithms.learners.binary_logistic_regression import binary_logistic_regression

        start = previous.fit if previous else None
        return BinaryRelevanceModel(
            binary_logistic_regression(data.labelled.features, data.labelled.labels, l2=self.l2, start=start)
        )

    def state_of(self, model: BinaryRelevanceModel) -> dict[str, Any]:
        return vars(model.fit)

    def model_of(self, state: dict[str, Any]) -> BinaryRelevanceModel:
        from labelbench_plus.algorithms.learners.binary_logistic_regression import BinaryLogisticFit

        return BinaryRelevanceModel(BinaryLogisticFit(**state))
