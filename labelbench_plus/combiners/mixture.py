"""Mixtures of policies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from labelbench_plus.combiners import Combiner, Policies, Response, combiners
from labelbench_plus.combiners._listed import listed, shares

if TYPE_CHECKING:
    from labelbench_plus.seeding import Streams


@combiners.register("mixture")
@dataclass(frozen=True)
class Mixture(Combiner):
    """Draw a policy with probability w_i and answer as it does: the trivial mix that others have to beat.

    Its rewards are the weighted means of the policies' rewards.
    """

    title = "Mixture of policies"
    needs = frozenset({"distributions"})

    def respond(self, policies: Policies, weights: np.ndarray, streams: Streams) -> Response:
        from scipy.special import logsumexp

        wanted = shares(policies, weights)
        used = np.flatnonzero(wanted)
        found = listed(policies.distributions()).log_probabilities[used]
        return Response(logsumexp(found + np.log(wanted[used])[:, None, None], axis=0), None, 1.0)
