"""A world of short sequences of tokens, all of which are listed."""

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
MOST = 20_000  # sequences that are listed
SHARPNESS = 1.5  # of the reference: standard deviation of its logits, about


@policy_sets.register("token_world")
@dataclass(frozen=True)
class TokenWorld(PolicySet):
    """All sequences of `length` tokens; policies are autoregressive networks with one hidden layer of tanh.

    A reward is a sum of normal numbers for tokens at their places and for neighbours, which no single step decides. The
    reference is such a network with random weights, and what is learned starts from it. The policies that come with
    the set are exactly optimal for one reward each, over whole sequences.

    Parameters
    ----------
    objectives_count: M.
    vocabulary, length: V and T.
    hidden: units of a network.
    beta: what a nat of divergence costs, in units of reward.
    spread: standard deviation of each reward under the reference.
    divergence, alpha: as in `table`.
    """

    title = "World of token sequences"
    exact = True
    offers = frozenset({"distributions", "reference"})

    objectives_count: Annotated[int, Ge(2), Le(10)] = 2
    vocabulary: Annotated[int, Ge(2)] = 5
    length: Annotated[int, Ge(1)] = 4
    hidden: Annotated[int, Ge(1)] = 32
    beta: Annotated[float, Gt(0)] = 0.25
    spread: Annotated[float, Gt(0)] = 0.5
    divergence: str = "reverse_kl"
    alpha: float | None = None

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        return {"vocabulary": 3, "length": 2, "hidden": 4}

    def __post_init__(self) -> None:
        check_divergence(self.divergence, self.alpha)
        if self.vocabulary**self.length > MOST:
            raise ValueError(f"vocabulary {self.vocabulary} and length {self.length}: more than {MOST} sequences")

    def objectives(self) -> tuple[str, ...]:
        return tuple(f"reward_{number}" for number in range(1, self.objectives_count + 1))

    def fingerprint(self) -> str:
        return f"token world {GENERATOR_VERSION}"

    def open(self, place: Place, streams: Streams) -> ExactSet:
        import torch

        from labelbench_plus.algorithms.decoding.divergences import divergence
        from labelbench_plus.decoding.exact_set import ExactSet
        from labelbench_plus.decoding.families import TokenPolicies, TokenRewards, drawn_network, network_shapes
        from labelbench_plus.decoding.listed_learner import ListedLearner

        shapes = network_shapes((self.length - 1) * self.vocabulary, self.hidden, self.vocabulary)
        first = drawn_network(shapes, streams.rng("reference"), last=SHARPNESS)
        policies = TokenPolicies(self.vocabulary, self.length, self.hidden, first)
        estimates = TokenRewards(self.vocabulary, self.length, self.hidden)
        reference = policies.values(first.unsqueeze(0))[0]
        rng, said = streams.rng("rewards"), estimates.sequences.unflatten(-1, (self.length, self.vocabulary))
        rewards = []
        for _ in range(self.objectives_count):
            placed = torch.as_tensor(rng.standard_normal((self.length, self.vocabulary)))
            beside = torch.as_tensor(rng.standard_normal((self.vocabulary, self.vocabulary)))
            total = (said * placed).sum(dim=(1, 2)) + ((said[:, :-1] @ beside) * said[:, 1:]).sum(dim=(1, 2))
            mean = (reference.exp() * total).sum()
            deviation = (reference.exp() * (total - mean) ** 2).sum().sqrt()
            rewards.append(self.spread * (total - mean) / deviation)
        penalty, steps = divergence(self.divergence, self.alpha), (self.vocabulary,) * self.length

        def learner() -> ListedLearner:
            return ListedLearner(policies, estimates, reference, self.beta, penalty, steps)

        return ExactSet(self.beta, penalty, reference, torch.stack(rewards).unsqueeze(1), steps=steps, learn=learner)
