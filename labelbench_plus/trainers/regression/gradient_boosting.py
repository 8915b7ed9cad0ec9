"""Gradient boosting of trees on frozen features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Gt, Interval

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
class BoostedModel:
    """A sum of small trees, each so many times `rate`."""

    trees: Trees
    unit: Unit
    rate: float

    def predictions(self, features: Tensor) -> Tensor:
        return self.unit.labels(self.rate * self.trees.predictions(features).sum(dim=0))


@trainers.register("gradient_boosting")
@dataclass(frozen=True)
class GradientBoosting(SavesState):
    """Small trees, each fitted to the residuals of those before it (Friedman, 2001); scikit-learn grows them.

    Parameters
    ----------
    trees: their number.
    rate: the share of a tree's prediction that counts.
    depth: of every tree.
    sample: share of the labels, drawn without replacement, that each tree sees.
    """

    title = "Gradient boosting"
    reference = Reference(("Friedman",), 2001)
    task = "regression"
    provides = frozenset({"predictions"})

    trees: Annotated[int, Ge(1)] = 100
    rate: Annotated[float, Gt(0)] = 0.1
    depth: Annotated[int, Ge(1)] = 3
    sample: Annotated[float, Interval(gt=0, le=1)] = 1.0

    def fit(self, data: RegressionData, streams: Streams, previous: Any | None) -> BoostedModel:
        from sklearn.ensemble import GradientBoostingRegressor

        from labelbench_plus.trainers._trees import arrays_of

        features, values = data.labelled.features, data.labelled.values
        unit = Unit.of(values)
        boosted = GradientBoostingRegressor(
            n_estimators=self.trees,
            learning_rate=self.rate,
            max_depth=self.depth,
            subsample=self.sample,
            init="zero",  # the mean of standardised labels
            random_state=int(streams.rng("boosting").integers(2**31)),
        )
        boosted.fit(features.cpu().numpy(), unit.standardised(values).cpu().numpy())
        return BoostedModel(arrays_of(boosted.estimators_[:, 0], features.device), unit, self.rate)

    def state_of(self, model: BoostedModel) -> dict[str, Any]:
        return {"trees": vars(model.trees), "unit": vars(model.unit), "rate": model.rate}

    def model_of(self, state: dict[str, Any]) -> BoostedModel:
        from labelbench_plus.algorithms.learners.trees import Trees

        return BoostedModel(Trees(**state["trees"]), Unit(**state["unit"]), state["rate"])
