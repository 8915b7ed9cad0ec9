"""A user's weighting by its posterior."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Gt

from labelbench_plus.trainers import trainers
from labelbench_plus.trainers.decoding._weighting import MEMBERS, EstimatedWeighting, WeightingTrainer

if TYPE_CHECKING:
    from torch import Tensor

    from labelbench_plus.problems.weighting import WeightingData
    from labelbench_plus.seeding import Streams

MOST = 5  # objectives, beyond which so many particles say little
RANGE = 4.0  # by which factor a temperature that is fitted may be off, either way


@trainers.register("weight_posterior")
@dataclass(frozen=True)
class WeightPosterior(WeightingTrainer):
    """Particles drawn from a uniform prior over weightings, each as likely as it makes the answers.

    The estimate is their mean, the best weighting to answer for, since values are linear in it. Members are 64 draws
    from the posterior. For up to five objectives.

    It also reports after how many answers a stopping rule would have stopped: after the first round in which the best
    question is worth less than `price`. Only its two scores depend on it.

    Parameters
    ----------
    particles: how many. They are the same in every round.
    temperature: "told", or "fit": by the answers, among temperatures up to four times off what is told.
    price: of an answer, as a share of the gap between the reference and the best.
    """

    title = "Weighting by its posterior"

    particles: Annotated[int, Ge(100)] = 2000
    temperature: Literal["told", "fit"] = "told"
    price: Annotated[float, Gt(0)] = 0.005

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        return {"particles": 200}

    def fit(self, data: WeightingData, streams: Streams, previous: Any | None) -> EstimatedWeighting:
        import torch

        objectives = data.pool_features.shape[1]
        if objectives > MOST:
            raise ValueError(
                f"weight_posterior: for up to {MOST} objectives, here are {objectives}; use weight_logistic"
            )
        rng = type(streams)(streams.seed).rng("model_init")  # not of the round: a rule that stops must not start again
        weights = torch.as_tensor(rng.dirichlet(np.ones(objectives), size=self.particles))
        temperature = np.full(self.particles, data.temperature)
        if self.temperature == "fit":
            temperature *= RANGE ** rng.uniform(-1, 1, self.particles)
        utilities = weights / torch.as_tensor(temperature)[:, None]
        signs = 2.0 * data.labelled.labels.cpu() - 1
        scores = torch.nn.functional.logsigmoid(signs * (utilities @ data.labelled.features.cpu().T))

        def shares(answers: int) -> Tensor:
            """How much each particle is believed after so many answers."""
            return torch.softmax(scores[:, :answers].sum(dim=1), dim=0)

        now = shares(len(signs))
        device = data.pool_features.device
        return EstimatedWeighting(
            (now @ weights).numpy(),
            utilities.to(device),
            now.to(device),
            utilities[_spread(now, streams.rng("members"))].to(device),
            self._stop(data, weights, utilities, shares),
            self.combiner,
            data.given,
            streams,
        )

    def _stop(
        self, data: WeightingData, weights: Tensor, utilities: Tensor, shares: Any
    ) -> tuple[int, np.ndarray] | None:
        """After how many answers the rule stops, all so far if it has not, and the estimate then."""
        from labelbench_plus.decoding.exact_set import ListedPolicies
        from labelbench_plus.decoding.value_of_information import expected_gain

        if not isinstance(data.given, ListedPolicies):
            return None
        chances = (utilities @ data.pool_features.cpu().T).sigmoid()
        asked = data.labelled.rows.cpu()
        for answers in data.rounds or (0,):
            left = _without(chances, asked[:answers])
            if not left.shape[1] or expected_gain(weights, shares(answers), left, data.given) < self.price:
                break
        return answers, (shares(answers) @ weights).numpy()


def _without(columns: Tensor, gone: Tensor) -> Tensor:
    """(k, q) without some of its columns."""
    import torch

    kept = torch.ones(columns.shape[1], dtype=torch.bool)
    kept[gone] = False
    return columns[:, kept]


def _spread(shares: Tensor, rng: np.random.Generator) -> Tensor:
    """(64,) particles, each as often as it is believed, give or take one (systematic resampling)."""
    import torch

    ends = shares.cumsum(dim=0)
    at = (torch.arange(MEMBERS, dtype=torch.float64) + rng.random()) / MEMBERS * ends[-1]
    return torch.searchsorted(ends, at).clamp(max=len(shares) - 1)
