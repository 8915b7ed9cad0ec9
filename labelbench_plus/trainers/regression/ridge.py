"""Ridge regression on frozen features, in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Gt

from labelbench_plus.reference import Reference
from labelbench_plus.trainers import trainers
from labelbench_plus.trainers._kept import SavesState

if TYPE_CHECKING:
    from torch import Tensor

    from labelbench_plus.algorithms.learners.ridge import LinearModels, RidgeFit
    from labelbench_plus.problems.regression import RegressionData
    from labelbench_plus.seeding import Streams


@dataclass(frozen=True)
class RidgeModel:
    """A linear model; its embedding is its input."""

    fit: RidgeFit
    committee: LinearModels

    @property
    def noise(self) -> float:
        """Variance of a label around the model."""
        return self.fit.noise

    def predictions(self, features: Tensor) -> Tensor:
        return self.fit.predictions(features)

    def variance(self, features: Tensor) -> Tensor:
        return self.fit.variance(features)

    def members(self, features: Tensor) -> Tensor:
        return self.committee.predictions(features)

    def embeddings(self, features: Tensor) -> Tensor:
        return features


@trainers.register("ridge")
@dataclass(frozen=True)
class Ridge(SavesState):
    """Minimise squared errors + l2 · ‖weights‖², the level unpenalised. The model is solved for: no draw, no step size.

    Variance is that of Bayesian linear regression whose prior the penalty is, with the noise estimated from the
    residuals. Members are refits to examples drawn with replacement (Efron, 1979).

    Parameters
    ----------
    l2: the penalty; by default, in every round, the one with the least error of leaving one out.
    ensemble: how many members there are.
    """

    title = "Ridge regression"
    reference = Reference(("Hoerl", "Kennard"), 1970)
    task = "regression"
    provides = frozenset({"predictions", "variance", "members", "embeddings"})

    l2: Annotated[float, Gt(0)] | None = None
    ensemble: Annotated[int, Ge(2)] = 10

    def fit(self, data: RegressionData, streams: Streams, previous: RidgeModel | None) -> RidgeModel:
        from labelbench_plus.algorithms.learners.ridge import bootstrap, ridge_regression

        features, values = data.labelled.features, data.labelled.values
        fit = ridge_regression(features, values, l2=self.l2)
        rng = streams.rng("members")
        return RidgeModel(fit, bootstrap(features, values, rng, members=self.ensemble, l2=fit.l2))

    def state_of(self, model: RidgeModel) -> dict[str, Any]:
        return {"fit": vars(model.fit), "members": vars(model.committee)}

    def model_of(self, state: dict[str, Any]) -> RidgeModel:
        from labelbench_plus.algorithms.learners.ridge import LinearModels, RidgeFit

        return RidgeModel(RidgeFit(**state["fit"]), LinearModels(**state["members"]))
