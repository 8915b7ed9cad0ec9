"""Mixtures of policies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from labelbench_plus.combiners import Combiner, Listed, Policies, Response, Step, combiners
from labelbench_plus.combiners._listed import shares

if TYPE_CHECKING:
    import torch

    from labelbench_plus.combiners import Rule
    from labelbench_plus.seeding import Streams


@combiners.register("mixture")
@dataclass(frozen=True)
class Mixture(Combiner):
    """Draw a policy with probability w_i and answer like it: the trivial mixture that others have to beat.

    Its rewards are the weighted means of the policies' rewards. To answer takes one policy; where policies are asked
    token by token all of them are, as the probability of a token is Σ w_i π_i(said) π_i(token) / Σ w_i π_i(said).
    """

    title = "Mixture of policies"
    needs = frozenset({"distributions"})

    def respond(self, policies: Policies, weights: np.ndarray, streams: Streams) -> Response:
        from scipy.special import logsumexp

        wanted = shares(policies, weights)
        used = np.flatnonzero(wanted)
        distributions = policies.distributions()
        if not isinstance(distributions, Listed):
            samples = distributions.only(used.tolist()).sample(_rule(wanted[used]), streams)
            return Response(None, samples, 1.0)
        found = distributions.log_probabilities[used]
        return Response(logsumexp(found + np.log(wanted[used])[:, None, None], axis=0), None, 1.0)


def _rule(shares: np.ndarray) -> Rule:
    """What a mixture (k,) of whole responses says next: policies count as far as what was said is theirs."""

    def rule(step: Step) -> torch.Tensor:
        import torch

        likely = torch.as_tensor(np.log(shares), device=step.carried.device)[:, None] + step.carried
        likely = likely - likely.logsumexp(dim=0)
        return (likely.unsqueeze(-1) + step.log_policies).logsumexp(dim=0)

    return rule
