"""A policy trained anew for every weighting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from labelbench_plus.combiners import Combiner, Policies, Response, combiners
from labelbench_plus.combiners._listed import checked, of_one

if TYPE_CHECKING:
    from labelbench_plus.seeding import Streams


@combiners.register("retrain")
@dataclass(frozen=True)
class Retrain(Combiner):
    """Estimates the rewards from what was bought and trains one policy for each weighted sum of them.

    Multi-objective RLHF at equal labels: a weighting costs a training run and no label.
    """

    title = "Retraining for each weighting"
    needs = frozenset({"rewards"})

    def respond(self, policies: Policies, weights: np.ndarray, streams: Streams) -> Response:
        return of_one(policies.rewards().optimised(checked(policies, weights)), streams, training_runs=1)
