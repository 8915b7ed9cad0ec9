"""Policies learned from preference bits, one for each objective."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Gt, MinLen

from labelbench_plus.contracts.capabilities import Capability
from labelbench_plus.contracts.combiners import Combiner, Response, combiners
from labelbench_plus.plugins import From
from labelbench_plus.trainers import Trainer, trainers

if TYPE_CHECKING:
    from labelbench_plus.contracts.policy_sets import Fitted, Learner
    from labelbench_plus.problems.objectives import ObjectivesData
    from labelbench_plus.seeding import Streams

Of = Literal["policies", "rewards"]
NOTHING_LEARNED = math.log(2)  # nats a bit that the reference loses, whose preferences are all even
ERRORS = Capability(
    "objective_errors",
    "(S,)",
    "with a model",
    "nothing",
    "what a held-out bit of each objective costs its policy, in nats",
    "nothing",
)


@trainers.register("preference_policies")
@dataclass(frozen=True)
class PreferencePolicies(Trainer):
    """One policy per objective by direct preference optimisation, and a combiner that answers for any weighting.

    Each minimises −mean log σ(c (d_W − d_L)) + λ KL(π_ref‖π) with d = f′(π/π_ref), f being the divergence by which the
    world ties policies to their reference. λ is chosen by cross-validation on the bought bits alone; the reference
    itself is among the candidates, since with few bits every policy is worse. For a combiner that needs rewards,
    estimates of rewards are learned in the same way.

    Parameters
    ----------
    combiner: what answers for a weighting.
    penalties: λ to choose from; a single one is used directly.
    folds: of cross-validation, which a single penalty needs only where a strategy asks what held-out bits cost.
    steps: of a training, whose size the world knows.
    """

    title = "Policies from preference bits"
    task = "objectives"
    provides = frozenset({"objective_errors"})
    declares = (ERRORS,)

    combiner: Annotated[Combiner, From("combiners")] = field(default_factory=lambda: combiners.build("mod"))
    penalties: Annotated[tuple[Annotated[float, Gt(0)], ...], MinLen(1)] = (0.01, 0.03, 0.1, 0.3, 1.0)
    folds: Annotated[int, Ge(2)] = 3
    steps: Annotated[int, Ge(1)] = 150

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        return {"penalties": [0.03, 0.3], "folds": 2, "steps": 10}

    def fit(self, data: ObjectivesData, streams: Streams, previous: Any | None) -> PoliciesOfObjectives:
        needs = self.combiner.needs
        from labelbench_plus.contracts.policy_sets import Fit

        untrained = [Fit(bits, math.inf) for bits in data.bits]
        policies = tuple(data.learner.policies(untrained, self.steps, streams))
        rewards: tuple[Fitted, ...] = ()
        errors: Callable[[], np.ndarray] = cache(lambda: np.full(len(data.bits), NOTHING_LEARNED))
        runs = 0
        if needs & {"distributions", "parameters"}:
            policies, errors = self._learned(data, "policies", streams)
            runs += len(policies)
        if "rewards" in needs:
            rewards, errors = self._learned(data, "rewards", streams)
            runs += len(rewards)
        return PoliciesOfObjectives(self.combiner, data.learner, policies, rewards, errors, runs, self.steps, streams)

    def _learned(
        self, data: ObjectivesData, of: Of, streams: Streams
    ) -> tuple[tuple[Fitted, ...], Callable[[], np.ndarray]]:
        """What is learned of each objective, and what tells what held-out bits of it cost, in nats."""
        from labelbench_plus.contracts.policy_sets import Fit

        learn = data.learner.policies if of == "policies" else data.learner.rewards
        chosen = cache(lambda: self._chosen(data, of, streams))
        penalties = chosen()[0] if len(self.penalties) > 1 else self.penalties * len(data.bits)
        fits = [Fit(*each) for each in zip(data.bits, penalties, data.sharpness, strict=True)]
        return tuple(learn(fits, self.steps, streams)), lambda: chosen()[1]

    def _chosen(self, data: ObjectivesData, of: Of, streams: Streams) -> tuple[list[float], np.ndarray]:
        """λ of each objective, and its cross-validated error (M,) in nats a bit."""
        from labelbench_plus.contracts.policy_sets import Fit

        learn = data.learner.policies if of == "policies" else data.learner.rewards
        fits, held = [], []
        for number, (bits, sharpness) in enumerate(zip(data.bits, data.sharpness, strict=True)):
            fold = np.arange(len(bits.pairs)) % self.folds
            for left_out in range(self.folds if len(fold) >= self.folds else 0):
                rest = bits.at(np.flatnonzero(fold != left_out))
                fits += [Fit(rest, penalty, sharpness) for penalty in self.penalties]
                held += [(number, penalty, bits.at(np.flatnonzero(fold == left_out))) for penalty in self.penalties]
        losses = {(number, math.inf): NOTHING_LEARNED for number in range(len(data.bits))}
        differences = data.learner.differences(
            learn(fits, self.steps, streams), [bits.pairs for _, _, bits in held], of=of
        )
        for (number, penalty, bits), found in zip(held, differences, strict=True):
            lost = np.logaddexp(0, -data.sharpness[number] * np.where(bits.first_won, found, -found)).sum()
            key, share = (number, penalty), len(data.bits[number].pairs)
            losses[key] = losses.get(key, 0.0) + float(lost) / share
        penalties, errors = [], []
        for number in range(len(data.bits)):
            own = {penalty: loss for (whose, penalty), loss in losses.items() if whose == number}
            best = min(own, key=lambda penalty: (own[penalty], -penalty))
            penalties.append(best if len(self.penalties) > 1 else self.penalties[0])
            errors.append(own.get(penalties[-1], NOTHING_LEARNED))
        return penalties, np.array(errors)


@dataclass(frozen=True)
class PoliciesOfObjectives:
    """What was learned of each objective, and a combiner that answers.

    Attributes
    ----------
    policies: one an objective, the reference where none was needed. rewards: estimates, if they were needed.
    errors: tells (M,) what held-out bits of each cost, in nats; ln 2 where nothing is learned.
    training_runs: how many policies and rewards were trained, those of cross-validation aside.
    """

    combiner: Combiner
    learner: Learner
    policies: tuple[Fitted, ...]
    rewards: tuple[Fitted, ...]
    errors: Callable[[], np.ndarray]
    training_runs: int
    steps: int
    streams: Streams

    def objective_errors(self) -> np.ndarray:
        return self.errors().copy()

    def respond(self, weights: np.ndarray) -> Response:
        shown = self.learner.provide(self.combiner.needs, self.policies, self.rewards, self.steps, self.streams)
        return self.combiner.respond(shown, weights, self.streams)
