"""Random forest for classes, on frozen features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge

from labelbench_plus.reference import Reference
from labelbench_plus.trainers import trainers
from labelbench_plus.trainers._few_labels import few_labels
from labelbench_plus.trainers._kept import SavesState

if TYPE_CHECKING:
    from torch import Tensor

    from labelbench_plus.algorithms.learners.trees import Trees
    from labelbench_plus.problems.classification import ClassificationData
    from labelbench_plus.seeding import Streams

CHUNK_ROWS = 1024


@dataclass(frozen=True)
class ForestClassifierModel:
    """Trees that vote with their leaves' shares of the classes; every tree is a member.

    `classes` (C,) are those that were bought, which the trees' values are of.
    """

    trees: Trees
    classes: Tensor
    num_classes: int

    def probabilities(self, features: Tensor) -> Tensor:
        import torch

        parts = [self._shares(part).mean(dim=0) for part in features.split(CHUNK_ROWS)]
        return torch.cat(parts)

    def member_probabilities(self, features: Tensor) -> Tensor:
        return self._shares(features)

    def _shares(self, features: Tensor) -> Tensor:
        found = self.trees.predictions(features).reshape(len(self.trees.value), len(features), len(self.classes))
        every = found.new_zeros(*found.shape[:2], self.num_classes)
        every[:, :, self.classes] = found
        return every


@trainers.register("random_forest_classifier")
@dataclass(frozen=True)
class RandomForestClassifier(SavesState):
    """Trees, each grown on a bootstrap sample, whose shares of the classes are averaged (Breiman, 2001).

    scikit-learn grows them; each split looks at the root of the number of features, drawn anew. Every tree is a member
    for strategies that compare several models. A forest has no embeddings.

    Parameters
    ----------
    trees: how many.
    leaf: the fewest labels a leaf may hold; with 1 a tree is sure of everything.
    """

    title = "Random forest (classes)"
    reference = Reference(("Breiman",), 2001)
    task = "classification"
    provides = frozenset({"probabilities", "member_probabilities"})

    trees: Annotated[int, Ge(2)] = 100
    leaf: Annotated[int, Ge(1)] = 1

    def fit(self, data: ClassificationData, streams: Streams, previous: Any | None) -> ForestClassifierModel:
        import torch
        from sklearn.ensemble import RandomForestClassifier as Forest

        from labelbench_plus.trainers._trees import arrays_of

        features, labels = data.labelled.features, data.labelled.labels
        forest = Forest(
            self.trees,
            max_features="sqrt",
            min_samples_leaf=self.leaf,
            random_state=int(streams.rng("forest").integers(2**31)),
        )
        with few_labels():
            forest.fit(features.cpu().numpy(), labels.cpu().numpy())
        classes = torch.as_tensor(forest.classes_, device=features.device)
        return ForestClassifierModel(arrays_of(forest.estimators_, features.device), classes, data.num_classes)

    def state_of(self, model: ForestClassifierModel) -> dict[str, Any]:
        return {**vars(model), "trees": vars(model.trees)}

    def model_of(self, state: dict[str, Any]) -> ForestClassifierModel:
        from labelbench_plus.algorithms.learners.trees import Trees

        return ForestClassifierModel(**{**state, "trees": Trees(**state["trees"])})
