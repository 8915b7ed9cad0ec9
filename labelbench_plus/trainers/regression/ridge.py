"""Ridge regression on frozen features, in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Gt

from labelbench_plus.reference import Reference
from labelbench_plus.trainers import trainers
from labelbench_plus.trainers._kept import SavesState
from labelbench_plus.trainers.regression._linear import LinearValues

if TYPE_CHECKING:
    from labelbench_plus.problems.regression import RegressionData
    from labelbench_plus.seeding import Streams


@trainers.register("ridge")
@dataclass(frozen=True)
class Ridge(SavesState):
    """Minimise squared errors + l2 · ‖weights‖², with an unpenalised intercept, in closed form.

    Variance is that of Bayesian linear regression whose prior the penalty is, with the noise estimated from the
    residuals. Members are refits to examples drawn with replacement (Efron, 1979).

    Parameters
    ----------
    l2: the penalty; by default, in every round, the one with the lowest leave-one-out error.
    ensemble: how many members there are.
    """

    title = "Ridge regression"
    reference = Reference(("Hoerl", "Kennard"), 1970)
    task = "regression"
    provides = frozenset({"predictions", "variance", "members", "embeddings"})

    l2: Annotated[float, Gt(0)] | None = None
    ensemble: Annotated[int, Ge(2)] = 10

    def fit(self, data: RegressionData, streams: Streams, previous: LinearValues | None) -> LinearValues:
        from labelbench_plus.algorithms.learners.ridge import bootstrap, ridge_regression

        features, values = data.labelled.features, data.labelled.values
        fit = ridge_regression(features, values, l2=self.l2)
        rng = streams.rng("members")
        return LinearValues(fit, bootstrap(features, values, rng, members=self.ensemble, l2=fit.l2))

    def state_of(self, model: LinearValues) -> dict[str, Any]:
        return {"fit": vars(model.fit), "members": vars(model.others)}

    def model_of(self, state: dict[str, Any]) -> LinearValues:
        from labelbench_plus.algorithms.learners.ridge import LinearModels, RidgeFit

        return LinearValues(RidgeFit(**state["fit"]), LinearModels(**state["members"]))
