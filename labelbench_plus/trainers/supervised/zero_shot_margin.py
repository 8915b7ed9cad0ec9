"""A model's own answers, without any labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labelbench_plus.trainers import trainers
from labelbench_plus.trainers._kept import RestoresState

if TYPE_CHECKING:
    from torch import Tensor

    from labelbench_plus.problems.classification import ClassificationData
    from labelbench_plus.seeding import Streams


@dataclass(frozen=True)
class OwnAnswers:
    """Predicts the option that the first K features say is likeliest; its embedding is its input."""

    num_classes: int

    def probabilities(self, features: Tensor) -> Tensor:
        return features[:, : self.num_classes].float().softmax(dim=1)

    def embeddings(self, features: Tensor) -> Tensor:
        return features


@trainers.register("zero_shot_margin")
@dataclass(frozen=True)
class ZeroShotMargin(RestoresState):
    """The option with the largest log-probability under the encoder's own model (encoder `vision_language`).

    No label is used: it is the same at every budget, and the baseline of learned answers. Its probabilities come from
    scaled log-probabilities, so only their order is meaningful.
    """

    title = "Zero-shot answers"
    task = "classification"
    provides = frozenset({"probabilities", "embeddings"})
    needs = frozenset({"option scores"})

    @classmethod
    def example(cls) -> Mapping[str, Any] | None:
        return None  # it learns nothing, and the kit asks trainers to learn

    def fit(self, data: ClassificationData, streams: Streams, previous: OwnAnswers | None) -> OwnAnswers:
        return OwnAnswers(data.num_classes)

    def state_of(self, model: OwnAnswers) -> dict[str, Any]:
        return {"num_classes": model.num_classes}

    def model_of(self, state: dict[str, Any]) -> OwnAnswers:
        return OwnAnswers(state["num_classes"])
