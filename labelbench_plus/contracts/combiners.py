"""Combiners: one file each. A combiner answers for a weighting of objectives, from policies tuned to one each."""

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
    """Policies whose every response is listed: what is said of them is exact.

    Attributes
    ----------
    log_probabilities: (k, c, n) float64 of n responses to each of c prompts, under each of k policies.
    steps: how many tokens can be said at each step, the last varying fastest, where responses are all sequences of
        them: their product is n. None where responses are whole, and no probability of a token is known.
    """

    log_probabilities: np.ndarray
    steps: tuple[int, ...] | None


@dataclass(frozen=True)
class Step:
    """What is known when the next token is to be said, of policies that are asked token by token.

    Responses that are over are not among these.

    Attributes
    ----------
    log_policies: (k, b, V) log-probabilities of the next token of b responses.
    carried: (k, b) log-probabilities of what was said before.
    log_reference, carried_reference: (b, V) and (b,) the same of the reference, where it was handed over.
    """

    log_policies: Tensor
    carried: Tensor
    log_reference: Tensor | None = None
    carried_reference: Tensor | None = None


Rule = Callable[[Step], "Tensor"]
"""Makes log-probabilities of the next token, (b, V) normalised, of what is known at a step."""


@dataclass(frozen=True)
class Samples:
    """Responses that were drawn, where they cannot all be listed.

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
    """Policies that are asked token by token, because their responses cannot be listed."""

    def __len__(self) -> int:
        """k, how many there are."""

    def only(self, indices: Sequence[int]) -> Live:
        """Some of them, which alone are asked."""

    def sample(self, rule: Rule, streams: Streams, reference: Live | None = None) -> Samples:
        """Responses to every prompt under a rule. `reference` is asked beside them if it is handed over."""


class Parameters(Protocol):
    """Policies as what they were trained in."""

    def averaged(self, weights: np.ndarray) -> Listed | Live:
        """The one policy whose parameters are this weighted sum of the others'. Adapters count as what they add."""


class Rewards(Protocol):
    """Rewards as they are estimated from what was bought; never the true ones."""

    def optimised(self, weights: np.ndarray) -> Listed | Live:
        """The one policy that is trained for this weighted sum of them."""


class Policies:
    """What a combiner is shown of policies: a gate, as a view is.

    Parameters
    ----------
    needs: what the combiner declares.
    providers: what there is of `SHOWN`, made when first read.
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
        """What the M policies were trained in."""
        found: Parameters = self._read("parameters")
        return found

    def rewards(self) -> Rewards:
        """Estimates of the M rewards."""
        found: Rewards = self._read("rewards")
        return found

    def _read(self, name: str) -> Any:
        """What there is under a name.

        Raises
        ------
        CapabilityError
            The combiner did not declare it, or these policies have it not.
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
    """What a combiner answers with: a distribution over listed responses, or samples.

    Attributes
    ----------
    log_probabilities: (c, n) float64, each row's exponentials summing to one; None where there are samples.
    samples: None where all responses are listed.
    forwards: forward passes of a model for each token that is said.
    training_runs: policies that were trained for this weighting alone.
    """

    log_probabilities: np.ndarray | None
    samples: Samples | None
    forwards: float
    training_runs: int = 0


class Combiner(Plugin):
    """Answers for any weighting of the objectives.

    Attributes
    ----------
    needs: what it reads of policies, of `SHOWN`; reading anything else is refused.
    keeps_one: whether it answers as one policy does where that has a weight of one, and the others none.
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
            A weighting that has no meaning to it; it never makes another one of it.
        """
        raise NotImplementedError


combiners = Registry("combiner", Combiner, "labelbench_plus.combiners")
