"""Multi-objective decoding that is made stronger or weaker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from annotated_types import Ge

from labelbench_plus.combiners import Combiner, Policies, Response, combiners
from labelbench_plus.combiners._listed import checked
from labelbench_plus.combiners._rule import combined

if TYPE_CHECKING:
    from labelbench_plus.seeding import Streams


@combiners.register("strength")
@dataclass(frozen=True)
class Strength(Combiner):
    """Weights times a strength λ: under reverse KL the optimum at β/λ, from 0, the reference, to beyond the policies.

    Parameters
    ----------
    strength: λ. One is multi-objective decoding as it is.
    scope: as in `mod`.
    """

    title = "Decoding at another strength"
    needs = frozenset({"distributions", "reference"})
    keeps_one = False

    strength: Annotated[float, Ge(0)] = 1.5
    scope: Literal["sequence", "token"] = "sequence"

    def respond(self, policies: Policies, weights: np.ndarray, streams: Streams) -> Response:
        wanted = self.strength * checked(policies, weights)
        return combined(policies, wanted, policies.divergence, "exact", self.scope, streams)
