"""Policy sets whose responses are listed: optima, values and regrets are sums over them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from labelbench_plus.algorithms.decoding.policy_combination import kl_divergence, mean_divergence, optimal_policy
from labelbench_plus.contracts.combiners import Listed, Policies, Response
from labelbench_plus.contracts.policy_sets import Learner, Outcome, Pairs

if TYPE_CHECKING:
    from labelbench_plus.algorithms.decoding.divergences import Divergence


@dataclass(frozen=True)
class ListedPolicies:
    """Policies (k, c, n) tuned from a reference (c, n), all as log-probabilities, and nothing of true rewards."""

    log_policies: Tensor
    log_reference: Tensor
    beta: float
    divergence: Divergence
    steps: tuple[int, ...] | None

    @cached_property
    def implied(self) -> Tensor:
        """(k, c, n) β f′(π/π_ref): the rewards that the policies are optimal for, up to a constant a prompt."""
        return self.beta * self.divergence.slope(self.log_policies - self.log_reference)

    def policies(self, needs: frozenset[str], **more: Callable[[], Any]) -> Policies:
        """What a combiner with these needs is shown of them, and `more` that it may be shown, by name."""
        providers = {
            "distributions": lambda: Listed(self.log_policies.numpy(), self.steps),
            "reference": lambda: Listed(self.log_reference.unsqueeze(0).numpy(), self.steps),
            **more,
        }
        count = len(self.log_policies)
        return Policies(needs, providers, count=count, beta=self.beta, divergence=self.divergence)


@dataclass(frozen=True)
class ExactSet:
    """An open policy set with n responses listed for each of c prompts.

    Parameters
    ----------
    beta, divergence: what policies are tuned under.
    log_reference: (c, n) float64.
    true_rewards: (M, c, n) float64.
    log_policies: (M, c, n) of the policies that come with the set; the optimal ones if left out.
    steps: see `Listed`.
    learn: makes who learns policies from bits here, of the reference alone.
    why_not: what to say where nobody does.
    """

    beta: float
    divergence: Divergence
    log_reference: Tensor
    true_rewards: Tensor = field(repr=False)
    log_policies: Tensor | None = None
    steps: tuple[int, ...] | None = None
    learn: Callable[[], Learner] | None = None
    why_not: str = ""

    @cached_property
    def given(self) -> ListedPolicies:
        policies = self.log_policies
        if policies is None:
            base = self.log_reference.expand_as(self.true_rewards)
            policies = optimal_policy(base, self.true_rewards / self.beta, self.divergence)
        return ListedPolicies(policies, self.log_reference, self.beta, self.divergence, self.steps)

    def pairs(self, count: int, rng: np.random.Generator) -> Pairs:
        prompts = rng.integers(len(self.log_reference), size=count)
        masses = self.log_reference.exp().numpy()
        ends = masses.cumsum(axis=1)
        first, second = np.empty(count, dtype=np.int64), np.empty(count, dtype=np.int64)
        for row, (prompt, draws) in enumerate(zip(prompts, rng.random((count, 2)), strict=True)):
            first[row] = a = _drawn(ends[prompt], draws[0] * ends[prompt, -1])
            at = draws[1] * (ends[prompt, -1] - masses[prompt, a])  # on what is left without the first
            second[row] = _drawn(
                ends[prompt], at if at < ends[prompt, a] - masses[prompt, a] else at + masses[prompt, a]
            )
        return Pairs(prompts, first, second)

    def rewards(self, pairs: Pairs) -> np.ndarray:
        return pairs.differences(self.true_rewards.numpy())

    def implicit_rewards(self, pairs: Pairs) -> np.ndarray:
        return pairs.differences(self.given.implied.numpy())

    def learner(self) -> Learner:
        if self.learn is None:
            raise ValueError(self.why_not)
        return self.learn()

    def outcome(self, response: Response, weights: np.ndarray) -> Outcome:
        if response.log_probabilities is None:
            raise ValueError("all responses are listed here: expected a distribution over them, got samples")
        return self._judged(torch.as_tensor(response.log_probabilities), weights)

    def best(self, weights: np.ndarray) -> Outcome:
        wanted = torch.tensordot(torch.as_tensor(weights, dtype=torch.float64), self.true_rewards, dims=1)
        return self._judged(optimal_policy(self.log_reference, wanted / self.beta, self.divergence), weights)

    def reference(self, weights: np.ndarray) -> Outcome:
        return self._judged(self.log_reference, weights)

    def _judged(self, log_policy: Tensor, weights: np.ndarray) -> Outcome:
        """Of log-probabilities (c, n)."""
        rewards = (log_policy.exp() * self.true_rewards).sum(dim=-1).mean(dim=-1)
        penalty = mean_divergence(log_policy, self.log_reference, self.divergence).mean()
        kl = kl_divergence(log_policy, self.log_reference).mean()
        value = float(torch.as_tensor(weights, dtype=torch.float64) @ rewards - self.beta * penalty)
        return Outcome(rewards.numpy(), float(kl), value)


def _drawn(ends: np.ndarray, at: float) -> int:
    return min(int(np.searchsorted(ends, at, side="right")), len(ends) - 1)
