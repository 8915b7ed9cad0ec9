"""A live world with rewards: policies that are asked token by token, and what learns adapters from bits there."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus

from labelbench_plus.algorithms.decoding.divergences import Divergence, ReverseKL
from labelbench_plus.contracts.combiners import Live, Policies, Response, Rule, Samples, Step
from labelbench_plus.contracts.policy_sets import Fit, Given, Outcome, Pairs
from labelbench_plus.decoding.adapters import Adapter, soup
from labelbench_plus.decoding.engine import decode
from labelbench_plus.decoding.fused import FusedPolicies
from labelbench_plus.decoding.live_pool import Pool
from labelbench_plus.decoding.live_rewards import EstimatedRewards, RewardModel
from labelbench_plus.decoding.live_world import PIECE, LiveWorld

if TYPE_CHECKING:
    from labelbench_plus.seeding import Streams

AT_ONCE = 16  # bits in a step of learning
RATE = 1e-3

Scores = Callable[[np.ndarray, Sequence[str]], np.ndarray]
"""(M, n) scaled rewards of n texts, which were said to the prompts of these numbers (n,)."""


@dataclass(frozen=True)
class AskedRule:
    """A combiner's rule as the engine asks for one. Weights are the combiner's business."""

    rule: Rule
    with_reference: bool

    def needs_reference(self, weights: Sequence[float]) -> bool:
        return self.with_reference

    def is_linear(self, weights: Sequence[float]) -> bool:
        return False

    def carries(self) -> bool:
        return True

    def combined(
        self,
        scores: Tensor,
        weights: Sequence[float],
        reference: Tensor | None,
        carried: Tensor | None,
        carried_reference: Tensor | None,
    ) -> Tensor:
        assert carried is not None
        base = None if reference is None else torch.log_softmax(reference.double(), dim=-1)
        return self.rule(Step(torch.log_softmax(scores.double(), dim=-1), carried, base, carried_reference))


@dataclass(frozen=True)
class LiveAdapters:
    """Adapters on one model, asked `samples` times with each prompt: the same draws for whoever asks.

    Nothing is drawn if `greedy`: the likeliest token is said at every step.
    """

    world: LiveWorld
    adapters: tuple[Adapter, ...]
    samples: int
    greedy: bool = False

    def __len__(self) -> int:
        return len(self.adapters)

    def only(self, indices: Sequence[int]) -> LiveAdapters:
        return replace(self, adapters=tuple(self.adapters[index] for index in indices))

    def sample(self, rule: Rule, streams: Streams, reference: Live | None = None) -> Samples:
        world, count = self.world, len(self.adapters)
        prompts = np.repeat(np.arange(len(world.prompts)), self.samples)
        uniforms = streams.rng("samples").random((len(prompts), world.length))
        policies = FusedPolicies(world.model, self.adapters, world.tokens, vocabulary=world.vocabulary)
        try:
            found = [
                decode(
                    policies,
                    [world.prompts[prompt] for prompt in prompts[at : at + PIECE]],
                    [(1.0,) * count],
                    max_new_tokens=world.length,
                    rule=AskedRule(rule, reference is not None),
                    uniforms=None if self.greedy else uniforms[at : at + PIECE],
                    kl=True,
                )[0]
                for at in range(0, len(prompts), PIECE)
            ]
        finally:
            policies.close()
        far = [each.kl for each in found if each.kl is not None]
        return Samples(
            prompts,
            np.concatenate([each.tokens for each in found]),
            np.concatenate([each.log_probabilities for each in found]),
            np.concatenate(far),
        )


@dataclass(frozen=True)
class AdapterParameters:
    """What adapters add to a model's weights."""

    live: LiveAdapters

    def averaged(self, weights: np.ndarray) -> LiveAdapters:
        return replace(self.live, adapters=(soup(self.live.adapters, weights.tolist()),))


def shown(needs: frozenset[str], live: LiveAdapters, beta: float, **others: Callable[[], Any]) -> Policies:
    """What a combiner is shown of adapters. A free function: what it makes reaches no true reward."""
    providers: dict[str, Callable[[], Any]] = {
        **others,
        "distributions": lambda: live,
        "reference": lambda: replace(live, adapters=(Adapter({}),)),
        "parameters": lambda: AdapterParameters(live),
    }
    return Policies(needs, providers, count=len(live), beta=beta, divergence=ReverseKL())


@dataclass(frozen=True)
class LiveLearner:
    """Direct preference optimisation of adapters on the top layers, from bits about responses of the pool.

    A step is taken on 16 bits, by Adam. KL(π_ref‖π) is held down along those bits' responses, which the reference gave,
    exactly at every step.

    Rewards are estimated as functions that are linear in the reference's last hidden states (`RewardModel`). A policy
    for a weighted sum r of them is trained on as many of the pool's responses a step, all of some prompts: minimised is
    the variance within a prompt of log π/π_ref − r/β, which the optimum alone makes nothing.
    """

    world: LiveWorld
    pool: Pool
    beta: float
    samples: int
    rank: int
    greedy: bool = False

    def policies(self, fits: Sequence[Fit], steps: int, streams: Streams) -> list[Adapter]:
        return [self._policy(fit, steps, streams) for fit in fits]

    def rewards(self, fits: Sequence[Fit], steps: int, streams: Streams) -> list[np.ndarray]:
        return [self.reward_model.estimated(fit) for fit in fits]

    def differences(
        self, fitted: Sequence[Any], pairs: Sequence[Pairs], *, of: Literal["policies", "rewards"]
    ) -> list[np.ndarray]:
        values = [self.log_ratios(each) if of == "policies" else each for each in fitted]
        return [each.differences(found) for each, found in zip(pairs, values, strict=True)]

    def provide(
        self,
        needs: frozenset[str],
        policies: Sequence[Adapter],
        rewards: Sequence[np.ndarray],
        steps: int,
        streams: Streams,
    ) -> Policies:
        live = LiveAdapters(self.world, tuple(policies) or (Adapter({}),), self.samples, self.greedy)
        estimated = EstimatedRewards(
            rewards, lambda wanted: self.tilted(wanted, steps, streams), lambda one: replace(live, adapters=(one,))
        )
        return shown(needs, live, self.beta, rewards=lambda: estimated)

    @cached_property
    def reward_model(self) -> RewardModel:
        return RewardModel.of(self.world.representations(self.pool.trunk))

    def tilted(self, wanted: np.ndarray, steps: int, streams: Streams) -> Adapter:
        """The policy whose log-ratio to the reference is (c, n) `wanted` on the pool, up to a constant a prompt."""
        if not wanted.any():
            return Adapter({})
        prompts, responses = wanted.shape
        at_once, goal = max(1, 2 * AT_ONCE // responses), torch.as_tensor(wanted, device=self.world.device)
        rng, order = streams.rng("order of prompts"), list[int]()
        while len(order) < steps * at_once:
            order += rng.permutation(prompts).tolist()

        def loss(adapter: Adapter, step: int) -> Tensor:
            rows = torch.tensor(order[step * at_once : (step + 1) * at_once])
            trunk, tokens = self.pool.trunk[rows].flatten(0, 1), self.pool.tokens[rows].flatten(0, 1)
            logs = self.world.log_probabilities(trunk, tokens, adapter).unflatten(0, (len(rows), responses))
            short = logs - self.pool.log_reference[rows] - goal[rows]
            return short.var(dim=1, correction=0).mean()

        return self.world.trained(self.rank, loss, steps, RATE, torch.Generator().manual_seed(0))

    def log_ratios(self, adapter: Adapter) -> np.ndarray:
        """(c, n) of the pool's responses."""
        if not adapter.layers:
            return np.zeros(self.pool.log_reference.shape)
        found = self.world.all_log_probabilities(self.pool.trunk, self.pool.tokens, adapter)
        return (found - self.pool.log_reference).cpu().numpy()

    def _policy(self, fit: Fit, steps: int, streams: Streams) -> Adapter:
        count = len(fit.bits.pairs)
        if math.isinf(fit.penalty) or not count:
            return Adapter({})
        rng, order = streams.rng("order of bits"), list[int]()
        while len(order) < steps * AT_ONCE:
            order += rng.permutation(count).tolist()

        def loss(adapter: Adapter, step: int) -> Tensor:
            bits = fit.bits.at(np.array(order[step * AT_ONCE : (step + 1) * AT_ONCE]))
            won = bits.first_won
            better = np.where(won, bits.pairs.first, bits.pairs.second)
            worse = np.where(won, bits.pairs.second, bits.pairs.first)
            rows = (np.tile(bits.pairs.prompts, 2), np.concatenate([better, worse]))
            logs, far = self.world.with_divergence(self.pool.trunk[rows], self.pool.tokens[rows], adapter)
            ratios = logs - self.pool.log_reference[rows]
            margins = ratios[: len(won)] - ratios[len(won) :]
            return softplus(-fit.sharpness * margins).mean() + fit.penalty * far.mean()

        return self.world.trained(self.rank, loss, steps, RATE, torch.Generator().manual_seed(0))


@dataclass(frozen=True)
class LiveSet:
    """An open policy set whose responses cannot be listed: values are estimates from samples.

    What is best for a weighting is estimated from the pool: the reference's own responses, tilted by exp(R_w/β). So
    few of them do not hold the best there are, so that a regret may come out below zero.

    Parameters
    ----------
    beta: of the KL divergence from the reference.
    pool: n responses to each prompt. scores: makes rewards of texts.
    adapters: of the policies that come with the set; none if empty.
    greedy: see `LiveAdapters`.
    """

    world: LiveWorld
    pool: Pool
    scores: Scores
    beta: float
    samples: int
    rank: int
    adapters: tuple[Adapter, ...] = ()
    greedy: bool = False

    @property
    def divergence(self) -> Divergence:
        return ReverseKL()

    @property
    def given(self) -> Given:
        self._check_given()
        return GivenAdapters(LiveAdapters(self.world, self.adapters, self.samples, self.greedy), self.beta)

    @cached_property
    def true_rewards(self) -> np.ndarray:
        """(M, c, n) of the pool."""
        prompts = np.repeat(np.arange(len(self.pool.tokens)), self.pool.tokens.shape[1])
        found = self.scores(prompts, self.world.texts(self.pool.tokens))
        return found.reshape(-1, *self.pool.log_reference.shape)

    def pairs(self, count: int, rng: np.random.Generator) -> Pairs:
        prompts, responses = self.pool.log_reference.shape
        first = rng.integers(responses, size=count)
        second = (first + 1 + rng.integers(responses - 1, size=count)) % responses
        return Pairs(rng.integers(prompts, size=count), first, second)

    def rewards(self, pairs: Pairs) -> np.ndarray:
        return pairs.differences(self.true_rewards)

    def implicit_rewards(self, pairs: Pairs) -> np.ndarray:
        self._check_given()
        learner = self.learner()
        return pairs.differences(self.beta * np.stack([learner.log_ratios(adapter) for adapter in self.adapters]))

    def learner(self) -> LiveLearner:
        return LiveLearner(self.world, self.pool, self.beta, self.samples, self.rank, self.greedy)

    def outcome(self, response: Response, weights: np.ndarray) -> Outcome:
        if response.samples is None:
            raise ValueError("responses cannot be listed here: expected samples, got a distribution")
        texts = self.world.texts(torch.as_tensor(response.samples.tokens))
        rewards = self.scores(response.samples.prompts, texts).mean(axis=1)
        kl = float(response.samples.kl.sum(axis=1).mean())
        return Outcome(rewards, kl, float(weights @ rewards - self.beta * kl))

    def best(self, weights: np.ndarray) -> Outcome:
        wanted = torch.as_tensor(np.tensordot(weights, self.true_rewards, axes=1))
        return self._tilted(torch.log_softmax(wanted / self.beta, dim=-1), weights)

    def reference(self, weights: np.ndarray) -> Outcome:
        return self._tilted(torch.log_softmax(torch.zeros(self.pool.log_reference.shape).double(), dim=-1), weights)

    def _tilted(self, logs: Tensor, weights: np.ndarray) -> Outcome:
        """Of a distribution (c, n) over the pool."""
        mass = logs.exp()
        rewards = (mass.numpy() * self.true_rewards).sum(axis=-1).mean(axis=-1)
        kl = float((mass * (logs + math.log(logs.shape[-1]))).sum(dim=-1).mean())
        return Outcome(rewards, kl, float(weights @ rewards - self.beta * kl))

    def _check_given(self) -> None:
        if not self.adapters:
            raise ValueError("adapters: name their folders, one an objective, for policies that come with the set")


@dataclass(frozen=True)
class GivenAdapters:
    """The adapters that come with a set."""

    live: LiveAdapters
    beta: float

    def policies(self, needs: frozenset[str]) -> Policies:
        return shown(needs, self.live, self.beta)
