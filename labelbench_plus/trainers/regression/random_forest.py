"""Random forest on frozen features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Interval

from labelbench_plus.reference import Reference
from labelbench_plus.trainers import trainers
from labelbench_plus.trainers._kept import SavesState
from labelbench_plus.trainers.regression._unit import Unit

if TYPE_CHECKING:
    from torch import Tensor

    from labelbench_plus.algorithms.learners.trees import Trees
    from labelbench_plus.problems.regression import RegressionData
    from labelbench_plus.seeding import Streams


@dataclass(frozen=True)
class ForestModel:
    """Trees that vote: the prediction is their mean, its variance theirs."""

    trees: Trees
    unit: Unit

    def predictions(self, features: Tensor) -> Tensor:
        return self.unit.labels(self.trees.predictions(features).mean(dim=0))

    def variance(self, features: Tensor) -> Tensor:
        return self.unit.variances(self.trees.predictions(features).var(dim=0, correction=0))

    def members(self, features: Tensor) -> Tensor:
        return self.unit.labels(self.trees.predictions(features))


@trainers.register("random_forest")
@dataclass(frozen=True)
class RandomForest(SavesState):
    """The mean of trees, each grown to the end on a bootstrap sample (Breiman, 2001); scikit-learn grows them.

    Every tree is a member. Their variance stands for the forest's uncertainty; label noise contributes to it.

    Parameters
    ----------
    trees: their number.
    share: of the features considered at each split, drawn anew.
    leaf: the fewest labels in a leaf.
    """

    title = "Random forest"
    reference = Reference(("Breiman",), 2001)
    task = "regression"
    provides = frozenset({"predictions", "variance", "members"})

    trees: Annotated[int, Ge(2)] = 100
    share: Annotated[float, Interval(gt=0, le=1)] = 1.0
    leaf: Annotated[int, Ge(1)] = 1

    def fit(self, data: RegressionData, streams: Streams, previous: Any | None) -> ForestModel:
        from sklearn.ensemble import RandomForestRegressor

        from labelbench_plus.trainers._trees import arrays_of

        features, values = data.labelled.features, data.labelled.values
        unit = Unit.of(values)
        forest = RandomForestRegressor(
            self.trees,
            max_features=self.share,
            min_samples_leaf=self.leaf,
            random_state=int(streams.rng("forest").integers(2**31)),
        )
        forest.fit(features.cpu().numpy(), unit.standardised(values).cpu().numpy())
        return ForestModel(arrays_of(forest.estimators_, features.device), unit)

    def state_of(self, model: ForestModel) -> dict[str, Any]:
        return {"trees": vars(model.trees), "unit": vars(model.unit)}

    def model_of(self, state: dict[str, Any]) -> ForestModel:
        from labelbench_plus.algorithms.learners.trees import Trees

        return ForestModel(Trees(**state["trees"]), Unit(**state["unit"]))
