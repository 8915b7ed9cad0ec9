"""A user's weighting by logistic regression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Gt

from labelbench_plus.trainers import trainers
from labelbench_plus.trainers.decoding._weighting import MEMBERS, EstimatedWeighting, WeightingTrainer

if TYPE_CHECKING:
    from labelbench_plus.problems.weighting import WeightingData
    from labelbench_plus.seeding import Streams


@trainers.register("weight_logistic")
@dataclass(frozen=True)
class WeightLogistic(WeightingTrainer):
    """Logistic regression of answers on features without a bias, for any number of objectives.

    Coefficients are pulled towards those of equal weights. Multiplied by the given temperature and projected to the
    simplex, they are the estimate. Members are draws from the normal distribution whose precision is the curvature at
    the optimum.

    Parameters
    ----------
    l2: how strongly they are pulled.
    """

    title = "Weighting by logistic regression"

    l2: Annotated[float, Gt(0)] = 1.0

    def fit(self, data: WeightingData, streams: Streams, previous: Any | None) -> EstimatedWeighting:
        import torch

        from labelbench_plus.algorithms.learners.preference_regression import preference_regression
        from labelbench_plus.decoding.weightings import nearest_weighting

        objectives = data.pool_features.shape[1]
        equal = torch.full((objectives,), 1 / objectives / data.temperature, dtype=torch.float64)
        won = 2.0 * data.labelled.labels.cpu() - 1
        fit = preference_regression(won[:, None] * data.labelled.features.cpu(), l2=self.l2, centre=equal)
        weights = nearest_weighting(data.temperature * fit.coefficients.numpy())
        drawn = torch.as_tensor(streams.rng("members").standard_normal((MEMBERS, objectives)))
        spread = torch.linalg.solve_triangular(torch.linalg.cholesky(fit.curvature).T, drawn.T, upper=True).T
        device = data.pool_features.device
        return EstimatedWeighting(
            weights,
            fit.coefficients[None].to(device),
            torch.ones(1, dtype=torch.float64, device=device),
            (fit.coefficients + spread).to(device),
            None,
            self.combiner,
            data.given,
            streams,
        )
