"""A world of one step: so many responses, with a number for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Gt, Le

from labelbench_plus.algorithms.decoding.divergence_names import check_divergence
from labelbench_plus.contracts.problems import Place
from labelbench_plus.policy_sets import PolicySet, policy_sets

if TYPE_CHECKING:
    from labelbench_plus.decoding.exact_set import ExactSet
    from labelbench_plus.seeding import Streams

GENERATOR_VERSION = 1


@policy_sets.register("table")
@dataclass(frozen=True)
class Table(PolicySet):
    """Responses without parts, with normal rewards and a reference that is a softmax of normal numbers.

    Its own policies are exactly optimal for one reward each. A policy is a table of logits: soups of such policies
    combine them as multi-objective decoding does under reverse KL.

    Parameters
    ----------
    objectives_count: M.
    responses: n.
    beta: what a nat of divergence costs, in units of reward.
    divergence, alpha: from the reference: "reverse_kl", "forward_kl", "jsd", "jeffreys", or "alpha" with its alpha.
    """

    title = "Table of responses"
    exact = True
    offers = frozenset({"distributions", "reference"})

    objectives_count: Annotated[int, Ge(2), Le(10)] = 3
    responses: Annotated[int, Ge(2)] = 60
    beta: Annotated[float, Gt(0)] = 0.3
    divergence: str = "reverse_kl"
    alpha: float | None = None

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        return {"responses": 20}

    def __post_init__(self) -> None:
        check_divergence(self.divergence, self.alpha)

    def objectives(self) -> tuple[str, ...]:
        return tuple(f"reward_{number}" for number in range(1, self.objectives_count + 1))

    def fingerprint(self) -> str:
        return f"table {GENERATOR_VERSION}"

    def open(self, place: Place, streams: Streams) -> ExactSet:
        import torch

        from labelbench_plus.algorithms.decoding.divergences import divergence
        from labelbench_plus.decoding.exact_set import ExactSet
        from labelbench_plus.decoding.families import Tables
        from labelbench_plus.decoding.listed_learner import ListedLearner

        rng = streams.rng("table")
        reference = torch.log_softmax(torch.as_tensor(rng.standard_normal((1, self.responses))), dim=-1)
        rewards = torch.as_tensor(rng.standard_normal((self.objectives_count, 1, self.responses)))
        penalty = divergence(self.divergence, self.alpha)

        def learner() -> ListedLearner:
            policies, estimates = Tables(reference, True), Tables(torch.zeros_like(reference), False)
            return ListedLearner(policies, estimates, reference, self.beta, penalty, (self.responses,))

        return ExactSet(self.beta, penalty, reference, rewards, steps=(self.responses,), learn=learner)
