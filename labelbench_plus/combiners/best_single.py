"""The one policy that promises most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from labelbench_plus.combiners import Combiner, Listed, Policies, Response, Step, combiners
from labelbench_plus.combiners._listed import checked, listed

if TYPE_CHECKING:
    import torch

    from labelbench_plus.combiners import Live, Samples
    from labelbench_plus.seeding import Streams


@combiners.register("best_single")
@dataclass(frozen=True)
class BestSingle(Combiner):
    """The policy whose value is estimated to be the largest for the weighting; ties go to the first.

    Rewards are estimated by what the policies imply, β f′(π_i/π_ref), which is exact up to a constant for optimal ones.
    Where policies are asked token by token these are means over what each says, with every step's expectation exact,
    which is defined for reverse KL alone: its slope is a sum over tokens.
    """

    title = "Best single policy"
    needs = frozenset({"distributions", "reference"})

    def respond(self, policies: Policies, weights: np.ndarray, streams: Streams) -> Response:
        import torch

        from labelbench_plus.algorithms.decoding.policy_combination import mean_divergence

        wanted, distributions = torch.as_tensor(checked(policies, weights)), policies.distributions()
        if not isinstance(distributions, Listed):
            return _live(policies, distributions, wanted, streams)
        found = torch.as_tensor(distributions.log_probabilities)
        reference = torch.as_tensor(listed(policies.reference()).log_probabilities[0])
        used = wanted.nonzero()[:, 0]
        implied = policies.beta * policies.divergence.slope(found[used] - reference)
        mixed = torch.tensordot(wanted[used], implied, dims=1)
        expected = torch.where(torch.isneginf(found), 0.0, found.exp() * mixed).sum(dim=-1)
        penalty = mean_divergence(found, reference, policies.divergence)
        values = (expected - policies.beta * penalty).mean(dim=-1)
        return Response(found[int(values.argmax())].numpy(), None, 1.0)


def _live(policies: Policies, distributions: Live, wanted: torch.Tensor, streams: Streams) -> Response:
    """Of policies that are asked token by token: each answers, and is judged by what all make of its answers."""
    from labelbench_plus.algorithms.decoding.divergences import ReverseKL

    if not isinstance(policies.divergence, ReverseKL):
        raise ValueError("best_single: policies that are asked token by token can be judged under reverse KL alone")
    reference = policies.reference()
    assert not isinstance(reference, Listed)
    best: tuple[float, Samples] | None = None
    for number in range(policies.count):
        gained = _Gained(number, wanted)
        samples = distributions.sample(gained, streams, reference)
        value = (gained.total - float(samples.kl.sum())) / len(samples.prompts)
        if best is None or value > best[0]:
            best = value, samples
    assert best is not None
    return Response(None, best[1], 1.0)


class _Gained:
    """The rule of one policy, which sums up what weights (M,) make of the log-ratios that it expects at each step."""

    def __init__(self, number: int, weights: torch.Tensor) -> None:
        self.number, self.weights, self.total = number, weights, 0.0

    def __call__(self, step: Step) -> torch.Tensor:
        import torch

        assert step.log_reference is not None
        own = step.log_policies[self.number]
        used = self.weights.nonzero()[:, 0].to(own.device)
        ratios = step.log_policies[used] - step.log_reference
        mixed = torch.tensordot(self.weights[self.weights != 0].to(ratios), ratios, dims=1)
        self.total += float(torch.where(torch.isneginf(own), 0.0, own.exp() * mixed).sum())
        return own
