"""The one policy that promises most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from labelbench_plus.combiners import Combiner, Policies, Response, combiners
from labelbench_plus.combiners._listed import checked, listed

if TYPE_CHECKING:
    from labelbench_plus.seeding import Streams


@combiners.register("best_single")
@dataclass(frozen=True)
class BestSingle(Combiner):
    """The policy whose value is estimated to be the largest for the weighting; ties go to the first.

    Rewards are estimated by what the policies imply, β f′(π_i/π_ref), which is exact up to a constant for optimal ones.
    """

    title = "Best single policy"
    needs = frozenset({"distributions", "reference"})

    def respond(self, policies: Policies, weights: np.ndarray, streams: Streams) -> Response:
        import torch

        from labelbench_plus.algorithms.decoding.policy_combination import mean_divergence

        wanted = torch.as_tensor(checked(policies, weights))
        found = torch.as_tensor(listed(policies.distributions()).log_probabilities)
        reference = torch.as_tensor(listed(policies.reference()).log_probabilities[0])
        used = wanted.nonzero()[:, 0]
        implied = policies.beta * policies.divergence.slope(found[used] - reference)
        mixed = torch.tensordot(wanted[used], implied, dims=1)
        expected = torch.where(torch.isneginf(found), 0.0, found.exp() * mixed).sum(dim=-1)
        penalty = mean_divergence(found, reference, policies.divergence)
        values = (expected - policies.beta * penalty).mean(dim=-1)
        return Response(found[int(values.argmax())].numpy(), None, 1.0)
