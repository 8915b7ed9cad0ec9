"""Bayesian linear regression on frozen features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge

from labelbench_plus.reference import Reference
from labelbench_plus.trainers import trainers
from labelbench_plus.trainers._kept import SavesState
from labelbench_plus.trainers.regression._linear import LinearValues

if TYPE_CHECKING:
    from labelbench_plus.problems.regression import RegressionData
    from labelbench_plus.seeding import Streams


@trainers.register("bayesian_linear")
@dataclass(frozen=True)
class BayesianLinear(SavesState):
    """y = w · x + b + noise with Gaussian w and noise, whose variances make the labels most likely (MacKay, 1992).

    The predictions are those of a ridge regression whose penalty is set without cross-validation. Members are drawn
    from the posterior.

    Parameters
    ----------
    ensemble: how many members there are.
    """

    title = "Bayesian linear regression"
    reference = Reference(("MacKay",), 1992, "Bayesian interpolation")
    task = "regression"
    provides = frozenset({"predictions", "variance", "members", "embeddings"})

    ensemble: Annotated[int, Ge(2)] = 20

    def fit(self, data: RegressionData, streams: Streams, previous: Any | None) -> LinearValues:
        from labelbench_plus.algorithms.learners.bayesian_linear import bayesian_linear_regression

        fit = bayesian_linear_regression(data.labelled.features, data.labelled.values)
        return LinearValues(fit, fit.draws(streams.rng("members"), self.ensemble))

    def state_of(self, model: LinearValues) -> dict[str, Any]:
        return {"fit": vars(model.fit), "members": vars(model.others)}

    def model_of(self, state: dict[str, Any]) -> LinearValues:
        from labelbench_plus.algorithms.learners.bayesian_linear import BayesianLinearFit
        from labelbench_plus.algorithms.learners.ridge import LinearModels

        return LinearValues(BayesianLinearFit(**state["fit"]), LinearModels(**state["members"]))
