"""Policy sets: one file each. A policy set is a reference with rewards, and a policy tuned to each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import numpy as np

from labelbench_plus.contracts.combiners import Policies, Response
from labelbench_plus.contracts.problems import Place
from labelbench_plus.plugins import Plugin, Registry

if TYPE_CHECKING:
    from labelbench_plus.algorithms.decoding.divergences import Divergence
    from labelbench_plus.seeding import Streams


@dataclass(frozen=True)
class Pairs:
    """Pairs of responses, both to the same prompt.

    Attributes
    ----------
    prompts, first, second: (n,) int64, the numbers of the prompt and the two responses.
    """

    prompts: np.ndarray
    first: np.ndarray
    second: np.ndarray

    def __len__(self) -> int:
        return len(self.prompts)

    def at(self, rows: np.ndarray) -> Pairs:
        """Those in some rows."""
        return Pairs(self.prompts[rows], self.first[rows], self.second[rows])

    def with_those(self, others: Pairs) -> Pairs:
        """These, then the others."""
        parts = ((self.prompts, others.prompts), (self.first, others.first), (self.second, others.second))
        return Pairs(*(np.concatenate(both) for both in parts))

    def differences(self, values: np.ndarray) -> np.ndarray:
        """(..., n): how much more the first response of each has than the second, of `values` (..., c, n)."""
        found: np.ndarray = values[..., self.prompts, self.first] - values[..., self.prompts, self.second]
        return found


@dataclass(frozen=True)
class Bits:
    """What was bought about one objective: pairs, and whether the first of each was preferred (n,) bool."""

    pairs: Pairs
    first_won: np.ndarray

    def at(self, rows: np.ndarray) -> Bits:
        """Those in some rows."""
        return Bits(self.pairs.at(rows), self.first_won[rows])


Fitted = Any
"""What a learner learned from bits: a policy, or an estimate of a reward. Only that learner reads it."""


@dataclass(frozen=True)
class Fit:
    """One thing to learn from bits.

    Attributes
    ----------
    bits: what it is learned from.
    penalty: λ, how strongly it is pulled to the reference; infinite for the reference itself.
    sharpness: c, how clear the bits are.
    """

    bits: Bits
    penalty: float
    sharpness: float = 1.0


class Learner(Protocol):
    """Learns policies from bits. It knows the reference and nothing about the true rewards."""

    def policies(self, fits: Sequence[Fit], steps: int, streams: Streams) -> list[Fitted]:
        """Minimise −mean log σ(c (d_W − d_L)) + λ KL(π_ref‖π) for each, d = f′(π/π_ref)."""

    def rewards(self, fits: Sequence[Fit], steps: int, streams: Streams) -> list[Fitted]:
        """Estimates r of rewards/β: minimise −mean log σ(c (r_W − r_L)) + λ/2 of their variance under the reference."""

    def differences(
        self, fitted: Sequence[Fitted], pairs: Sequence[Pairs], *, of: Literal["policies", "rewards"]
    ) -> list[np.ndarray]:
        """For each, (n,) how much it prefers the first of its pairs: of a policy d, of a reward r."""

    def provide(
        self, needs: frozenset[str], policies: Sequence[Fitted], rewards: Sequence[Fitted], steps: int, streams: Streams
    ) -> Policies:
        """What a combiner with these needs is shown of one policy, or one estimated reward, per objective."""


@dataclass(frozen=True)
class Outcome:
    """How good a response is under the true rewards, mean over prompts.

    Attributes
    ----------
    rewards: (M,) expected true rewards.
    kl: KL(π‖π_ref).
    value: J_w(π) = E Σ w_i R_i − β Σ π_ref f(π/π_ref).
    """

    rewards: np.ndarray
    kl: float
    value: float


class Given(Protocol):
    """Policies that come with a set, for code that may not know its rewards."""

    def policies(self, needs: frozenset[str]) -> Policies:
        """What a combiner with these needs is shown of them."""


class OpenPolicySet(Protocol):
    """A policy set that is ready. It knows the true rewards, so it stays with the problem; what it returns does not."""

    @property
    def beta(self) -> float:
        """See `Policies`."""

    @property
    def divergence(self) -> Divergence:
        """See `Policies`."""

    @property
    def given(self) -> Given:
        """The policies that come with the set."""

    def pairs(self, count: int, rng: np.random.Generator) -> Pairs:
        """Pairs of two different responses to one prompt, drawn from the reference."""

    def rewards(self, pairs: Pairs) -> np.ndarray:
        """(M, n) how much higher the true reward of the first of each pair is."""

    def implicit_rewards(self, pairs: Pairs) -> np.ndarray:
        """(M, n) the same, as the policies that come with the set imply it: no true reward is read."""

    def learner(self) -> Learner:
        """The learner of policies from bits.

        Raises
        ------
        ValueError
            Nothing can be learned here; the message says why.
        """

    def outcome(self, response: Response, weights: np.ndarray) -> Outcome:
        """How good a response is for a weighting."""

    def best(self, weights: np.ndarray) -> Outcome:
        """The outcome of the policy with the largest possible value for a weighting."""

    def reference(self, weights: np.ndarray) -> Outcome:
        """The outcome of the reference."""


class PolicySet(Plugin):
    """Where base policies come from.

    Attributes
    ----------
    exact: whether all responses are listed, so that values, optima and regrets are exact sums.
    offers: what combiners can be shown of its own policies (`combiners.SHOWN`).
    learns: whether policies can be learned on it, from bits.
    """

    exact: ClassVar[bool]
    learns: ClassVar[bool] = True
    offers: ClassVar[frozenset[str]] = frozenset()

    def objectives(self) -> tuple[str, ...]:
        """Their names, M of them."""
        raise NotImplementedError

    def fingerprint(self) -> str:
        """Hash of the data behind the hyperparameters; part of a run's identity."""
        raise NotImplementedError

    def open(self, place: Place, streams: Streams) -> OpenPolicySet:
        """Make it ready.

        Parameters
        ----------
        place: where it is computed.
        streams: those of the world, which need not be those of the run.

        Raises
        ------
        FileNotFoundError, ValueError
            Files are missing or malformed; the message says which and how.
        """
        raise NotImplementedError


policy_sets = Registry("policy set", PolicySet, "labelbench_plus.policy_sets")
