"""The policy that all others were tuned from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from labelbench_plus.combiners import Combiner, Policies, Response, combiners
from labelbench_plus.combiners._listed import checked, of_one

if TYPE_CHECKING:
    from labelbench_plus.seeding import Streams


@combiners.register("reference")
@dataclass(frozen=True)
class ReferencePolicy(Combiner):
    """Answers like the untuned reference, for any weighting: the floor that every chart shows."""

    title = "Reference"
    needs = frozenset({"reference"})
    keeps_one = False

    def respond(self, policies: Policies, weights: np.ndarray, streams: Streams) -> Response:
        checked(policies, weights)
        return of_one(policies.reference(), streams)
