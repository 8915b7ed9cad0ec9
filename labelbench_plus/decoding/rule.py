"""How policies are combined, chosen once for a whole decoding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from torch import Tensor

from labelbench_plus.algorithms.decoding.divergences import Divergence, ReverseKL
from labelbench_plus.algorithms.decoding.policy_combination import combine, needs_reference


class AnyRule(Protocol):
    """What an engine asks of a rule."""

    def needs_reference(self, weights: Sequence[float]) -> bool:
        """Whether the policy that all were tuned from has to run, too."""

    def is_linear(self, weights: Sequence[float]) -> bool:
        """Whether the weighted mean of logits is what the rule makes of them."""

    def carries(self) -> bool:
        """Whether what was said before makes a difference."""

    def combined(
        self,
        scores: Tensor,
        weights: Sequence[float],
        reference: Tensor | None,
        carried: Tensor | None,
        carried_reference: Tensor | None,
    ) -> Tensor:
        """(B, V) log-probabilities of scores (k, B, V), the reference's and, (k, B) and (B,), what was said so far."""


@dataclass(frozen=True)
class Rule:
    """A rule of multi-objective decoding (`labelbench_plus.algorithms.decoding.policy_combination`).

    Parameters
    ----------
    divergence: that the policies were tuned under.
    scope: "token" combines what the policies say next; "sequence" counts what they gave to everything said so far, as
        Shi et al. (2024) do. One rule for reverse KL. Neither samples the optimum over whole responses.
    normaliser: "exact", or "drop" to leave it out.
    """

    divergence: Divergence = field(default_factory=ReverseKL)
    scope: Literal["token", "sequence"] = "token"
    normaliser: Literal["exact", "drop"] = "exact"

    def needs_reference(self, weights: Sequence[float]) -> bool:
        """Whether the policy that all were tuned from has to run, too."""
        return needs_reference(self.divergence, weights, self.normaliser)

    def is_linear(self, weights: Sequence[float]) -> bool:
        """Whether the weighted mean of logits is what the rule makes of them."""
        return isinstance(self.divergence, ReverseKL) and not self.needs_reference(weights)

    def carries(self) -> bool:
        """Whether what was said before makes a difference."""
        return self.scope == "sequence" and not isinstance(self.divergence, ReverseKL)

    def combined(
        self,
        scores: Tensor,
        weights: Sequence[float],
        reference: Tensor | None,
        carried: Tensor | None,
        carried_reference: Tensor | None,
    ) -> Tensor:
        """(B, V) log-probabilities of scores (k, B, V) and the reference's (B, V); see `combine`."""
        return combine(
            scores,
            weights,
            self.divergence,
            log_reference=reference,
            carried=carried,
            carried_reference=carried_reference,
            normaliser=self.normaliser,
        )


def checked_weights(weights: Sequence[float], policies: int) -> tuple[float, ...]:
    """The weights as numbers.

    Raises
    ------
    ValueError
        No policy, another number of weights than of policies, or weights that are not finite.
    """
    if policies < 1:
        raise ValueError("policies: expected one or more, got none")
    if len(weights) != policies:
        raise ValueError(f"weights: expected {policies}, one per policy, got {len(weights)}")
    found = tuple(float(weight) for weight in weights)
    if not all(map(math.isfinite, found)):
        raise ValueError(f"weights: expected finite numbers, got {', '.join(f'{weight:g}' for weight in found)}")
    return found
