"""Combiners: one file each. A combiner answers for a weighting of objectives, given a policy tuned to each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from labelbench_plus.plugins import Plugin, Registry
from labelbench_plus.view import CapabilityError

if TYPE_CHECKING:
    from torch import Tensor

    from labelbench_plus.algorithms.decoding.divergences import Divergence
    from labelbench_plus.seeding import Streams

SHOWN = ("distributions", "reference", "parameters", "rewards")
"""What a combiner may be shown of policies, as its `needs` name it."""


@dataclass(frozen=True)
class Listed:
    """Policies whose responses can all be listed: everything about them is exact.

    Attributes
    ----------
    log_probabilities: (k, c, n) float64 of n responses to each of c prompts, under each of k policies.
    steps: how many tokens are possible at each step, the last varying fastest, where responses are all sequences of
        them: their product is n. None where responses are whole, without probabilities of tokens.
    """

    log_probabilities: np.ndarray
    steps: tuple[int, ...] | None


@dataclass(frozen=True)
class Step:
    """What is known when the next token is chosen, for policies that are asked token by token.

    Finished responses are not among these.

    Attributes
    ----------
    log_policies: (k, b, V) log-probabilities of the next token of b responses.
    carried: (k, b) log-probabilities of the tokens so far.
    log_reference, carried_reference: (b, V) and (b,) the same for the reference, where it was passed.
    """

    log_policies: Tensor
    carried: Tensor
    log_reference: Tensor | None = None
    carried_reference: Tensor | None = None


Rule = Callable[[Step], "Tensor"]
"""Makes log-probabilities of the next token, (b, V) normalised, of what is known at a step."""


@dataclass(frozen=True)
class Samples:
    """Sampled responses, where they cannot all be listed.

    Attributes
    ----------
    prompts: (s,) int64, which prompt each answers.
    tokens: (s, T) int64, −1 after the end.
    log_probabilities: (s, T) float64 of each token under the distribution it was drawn from, 0 after the end.
    kl: (s, T) float64, exact divergence of that distribution from the reference at each step, 0 after the end.
    """

    prompts: np.ndarray
    tokens: np.ndarray
    log_probabilities: np.ndarray
    kl: np.ndarray


class Live(Protocol):
    """Policies that are asked token by token, since their responses cannot be listed."""

    def __len__(self) -> int:
        """k, how many there are."""

    def only(self, indices: Sequence[int]) -> Live:
        """Only some of them."""

    def sample(self, rule: Rule, streams: Streams, reference: Live | None = None) -> Samples:
        """Responses to every prompt under a rule. `reference` is asked along with them if it is passed."""


class Parameters(Protocol):
    """Policies as the parameters that were trained."""

    def averaged(self, weights: np.ndarray) -> Listed | Live:
        """The policy whose parameters are this weighted sum of the others'. Adapters count by what they add."""


class Rewards(Protocol):
    """Rewards estimated from what was bought; never the true ones."""

    def optimised(self, weights: np.ndarray) -> Listed | Live:
        """The policy trained for this weighted sum of them."""


class Policies:
    """What a combiner is shown of policies: a gate, like a view.

    Parameters
    ----------
    needs: what the combiner declares.
    providers: those of `SHOWN` that exist, computed when first read.
    count: M, how many policies there are, one for each objective.
    beta, divergence: what each was tuned under: max E R_i − β Σ π_ref f(π_i/π_ref).
    """

    def __init__(
        self,
        needs: frozenset[str],
        providers: Mapping[str, Callable[[], Any]],
        *,
        count: int,
        beta: float,
        divergence: Divergence,
    ) -> None:
        self._needs, self._providers = frozenset(needs), providers
        self.count, self.beta, self.divergence = count, beta, divergence

    def distributions(self) -> Listed | Live:
        """The M policies' own distributions."""
        found: Listed | Live = self._read("distributions")
        return found

    def reference(self) -> Listed | Live:
        """The one policy that all were tuned from (k = 1)."""
        found: Listed | Live = self._read("reference")
        return found

    def parameters(self) -> Parameters:
        """The parameters of the M policies."""
        found: Parameters = self._read("parameters")
        return found

    def rewards(self) -> Rewards:
        """Estimates of the M rewards."""
        found: Rewards = self._read("rewards")
        return found

    def _read(self, name: str) -> Any:
        """The value under a name.

        Raises
        ------
        CapabilityError
            The combiner did not declare it, or these policies do not have it.
        """
        if name not in self._needs:
            declared = ", ".join(sorted(self._needs)) or "nothing"
            raise CapabilityError(
                f"policies.{name}() was read, but the combiner declares that it needs {declared}; add {name!r} to its "
                "`needs`"
            )
        if name not in self._providers:
            has = ", ".join(sorted(self._providers)) or "nothing"
            raise CapabilityError(f"policies.{name}() was read, but of these policies there are {has} alone")
        return self._providers[name]()


@dataclass(frozen=True)
class Response:
    """The answer of a combiner: a distribution over listed responses, or samples.

    Attributes
    ----------
    log_probabilities: (c, n) float64, each row's exponentials summing to one; None where there are samples.
    samples: None where all responses are listed.
    forwards: forward passes of a model per generated token.
    training_runs: policies trained for this weighting alone.
    """

    log_probabilities: np.ndarray | None
    samples: Samples | None
    forwards: float
    training_runs: int = 0


class Combiner(Plugin):
    """Answers for any weighting of the objectives.

    Attributes
    ----------
    needs: what it reads of policies, from `SHOWN`; reading anything else is refused.
    keeps_one: whether it answers like a single policy if that has weight one and the others zero.
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    keeps_one: ClassVar[bool] = True

    def respond(self, policies: Policies, weights: np.ndarray, streams: Streams) -> Response:
        """Answer for a weighting.

        Parameters
        ----------
        policies: what may be read of them.
        weights: (M,) finite numbers.
        streams: the only source of randomness.

        Raises
        ------
        ValueError
            A weighting without a meaning for it; it never turns one weighting into another.
        """
        raise NotImplementedError


combiners = Registry("combiner", Combiner, "labelbench_plus.combiners")
