"""Learning policies and rewards from bits where all responses are listed: every expectation is a sum."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus

from labelbench_plus.algorithms.decoding.policy_combination import mean_divergence
from labelbench_plus.contracts.combiners import Listed, Policies
from labelbench_plus.contracts.policy_sets import Bits, Fit, Pairs
from labelbench_plus.decoding.exact_set import ListedPolicies

if TYPE_CHECKING:
    from labelbench_plus.algorithms.decoding.divergences import Divergence
    from labelbench_plus.seeding import Streams


class Family(Protocol):
    """Functions of parameters p: policies, or estimates of a reward."""

    @property
    def rate(self) -> float:
        """Of learning, Adam's."""

    def start(self, streams: Streams) -> Tensor:
        """(p,) where training starts: of policies the reference, of rewards nothing."""

    def values(self, parameters: Tensor) -> Tensor:
        """(b, c, n) log-probabilities, or rewards, for each row of (b, p)."""


@dataclass(frozen=True)
class ListedLearner:
    """Learns within a family of policies and one of rewards.

    All that is asked for at once is trained side by side, by Adam on all bits at every step.

    Parameters
    ----------
    log_reference: (c, n).
    beta, divergence: what policies are held to the reference by.
    steps: see `Listed`.
    """

    policy_family: Family
    reward_family: Family
    log_reference: Tensor
    beta: float
    divergence: Divergence
    steps: tuple[int, ...] | None

    def policies(self, fits: Sequence[Fit], steps: int, streams: Streams) -> list[Tensor]:
        def held(values: Tensor) -> Tensor:
            return (self.log_reference.exp() * (self.log_reference - values)).sum(dim=-1).mean(dim=-1)

        return self._learned(fits, self.policy_family, self._slope, held, steps, streams)

    def rewards(self, fits: Sequence[Fit], steps: int, streams: Streams) -> list[Tensor]:
        def spread(values: Tensor) -> Tensor:
            mass = self.log_reference.exp()
            mean = (mass * values).sum(dim=-1, keepdim=True)
            return (mass * (values - mean) ** 2).sum(dim=-1).mean(dim=-1) / 2

        return self._learned(fits, self.reward_family, lambda values: values, spread, steps, streams)

    def differences(
        self, fitted: Sequence[Tensor], pairs: Sequence[Pairs], *, of: Literal["policies", "rewards"]
    ) -> list[np.ndarray]:
        if not fitted:
            return []
        with torch.no_grad():
            if of == "policies":
                values = self._slope(self.policy_family.values(torch.stack(list(fitted))))
            else:
                values = self.reward_family.values(torch.stack(list(fitted)))
        return [each.differences(row) for each, row in zip(pairs, values.numpy(), strict=True)]

    def provide(
        self,
        needs: frozenset[str],
        policies: Sequence[Tensor],
        rewards: Sequence[Tensor],
        steps: int,
        streams: Streams,
    ) -> Policies:
        rows = torch.stack(list(policies))
        with torch.no_grad():
            log_policies = self.policy_family.values(rows)
        learned = ListedPolicies(log_policies, self.log_reference, self.beta, self.divergence, self.steps)
        return learned.policies(
            needs,
            parameters=lambda: ListedParameters(self.policy_family, rows, self.steps),
            rewards=lambda: ListedRewards(self, torch.stack(list(rewards)), steps, streams),
        )

    def _slope(self, log_policies: Tensor) -> Tensor:
        return self.divergence.slope(log_policies - self.log_reference)

    def _learned(
        self,
        fits: Sequence[Fit],
        family: Family,
        differ: Callable[[Tensor], Tensor],
        held: Callable[[Tensor], Tensor],
        steps: int,
        streams: Streams,
    ) -> list[Tensor]:
        """Parameters (p,) of each fit. One whose penalty is infinite stays where it started."""
        start = family.start(streams)
        moving = [index for index, fit in enumerate(fits) if math.isfinite(fit.penalty)]
        found = [start.clone() for _ in fits]
        if not moving:
            return found
        of, better, worse, share = _rows([fits[index].bits for index in moving], self.log_reference.shape[1])
        penalties = torch.tensor([fits[index].penalty for index in moving], dtype=torch.float64)
        sharpness = torch.tensor([fits[index].sharpness for index in moving], dtype=torch.float64)[of]

        def loss(parameters: Tensor) -> Tensor:
            values = family.values(parameters)
            wanted = differ(values).flatten(1)
            margins = wanted[of, better] - wanted[of, worse]
            return share @ softplus(-sharpness * margins) + penalties @ held(values)

        trained = adam(start.repeat(len(moving), 1), loss, family.rate, steps)
        for index, parameters in zip(moving, trained, strict=True):
            found[index] = parameters
        return found


@dataclass(frozen=True)
class ListedParameters:
    """Parameters (k, p) of policies of one family."""

    family: Family
    rows: Tensor
    steps: tuple[int, ...] | None

    def averaged(self, weights: np.ndarray) -> Listed:
        with torch.no_grad():
            mean = torch.as_tensor(weights, dtype=torch.float64) @ self.rows
            return Listed(self.family.values(mean.unsqueeze(0)).numpy(), self.steps)


@dataclass(frozen=True)
class ListedRewards:
    """Estimates (M, q) of rewards/β, and who trains policies for sums of them."""

    learner: ListedLearner
    rows: Tensor
    training_steps: int
    streams: Streams

    def optimised(self, weights: np.ndarray) -> Listed:
        learner, family = self.learner, self.learner.policy_family
        with torch.no_grad():
            wanted = torch.tensordot(
                torch.as_tensor(weights, dtype=torch.float64), learner.reward_family.values(self.rows), dims=1
            )

        def loss(parameters: Tensor) -> Tensor:
            values = family.values(parameters)
            penalty = mean_divergence(values, learner.log_reference, learner.divergence)
            return (penalty - (values.exp() * wanted).sum(dim=-1)).mean()

        start = family.start(self.streams).unsqueeze(0)
        trained = adam(start, loss, family.rate, self.training_steps)
        with torch.no_grad():
            return Listed(family.values(trained).numpy(), learner.steps)


def adam(start: Tensor, loss: Callable[[Tensor], Tensor], rate: float, steps: int) -> Tensor:
    """Rows (b, p) after so many steps of Adam, whose rate falls to nothing along half a cosine."""
    parameters = start.clone().requires_grad_(True)
    optimiser = torch.optim.Adam([parameters], lr=rate)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = rate * (1 + math.cos(math.pi * step / steps)) / 2
        optimiser.zero_grad()
        loss(parameters).backward()
        optimiser.step()
    return parameters.detach()


def _rows(bits: Sequence[Bits], responses: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Of all bits together: whose they are, what was preferred to what as places in (c · n), and the share of each."""
    of = np.concatenate([np.full(len(each.pairs), number) for number, each in enumerate(bits)])
    first = np.concatenate([each.pairs.prompts * responses + each.pairs.first for each in bits])
    second = np.concatenate([each.pairs.prompts * responses + each.pairs.second for each in bits])
    won = np.concatenate([each.first_won for each in bits])
    share = np.concatenate([np.full(len(each.pairs), 1 / max(len(each.pairs), 1)) for each in bits])
    better, worse = np.where(won, first, second), np.where(won, second, first)
    return torch.as_tensor(of), torch.as_tensor(better), torch.as_tensor(worse), torch.as_tensor(share)
