"""Multi-objective decoding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from labelbench_plus.algorithms.decoding.divergence_names import check_divergence
from labelbench_plus.combiners import Combiner, Policies, Response, combiners
from labelbench_plus.combiners._listed import checked
from labelbench_plus.combiners._rule import combined
from labelbench_plus.reference import Reference

if TYPE_CHECKING:
    from labelbench_plus.seeding import Streams

MOD = Reference(("Shi", "others"), 2024, venue="NeurIPS", arxiv="2406.18853")


@combiners.register("mod")
@dataclass(frozen=True)
class Mod(Combiner):
    """π_ref g(Σ w_i f′(π_i/π_ref) − Z): no training for a weighting (Shi et al., 2024).

    Optimal for Σ w_i R_i where each policy is optimal for its R_i, the rule is applied to whole responses and the
    normaliser is exact. Negative weights and other sums than one are taken as they are.

    Parameters
    ----------
    divergence, alpha: what f is; that which the policies were tuned under if left out.
    normaliser: "exact" solves for Z. "drop" leaves it out and divides by the sum, which under reverse KL is the same.
    scope: "sequence" applies the rule to whole responses, "token" to the next token at each step: a distribution to
        sample from one by one, but under no divergence the optimal one for more than one step.
    """

    title = "Multi-objective decoding"
    reference = MOD
    needs = frozenset({"distributions", "reference"})

    divergence: str | None = None
    alpha: float | None = None
    normaliser: Literal["exact", "drop"] = "exact"
    scope: Literal["sequence", "token"] = "sequence"

    def __post_init__(self) -> None:
        if self.divergence is not None:
            check_divergence(self.divergence, self.alpha)
        elif self.alpha is not None:
            raise ValueError("alpha: name the divergence 'alpha' with it")

    def respond(self, policies: Policies, weights: np.ndarray, streams: Streams) -> Response:
        from labelbench_plus.algorithms.decoding.divergences import divergence

        rule = policies.divergence if self.divergence is None else divergence(self.divergence, self.alpha)
        return combined(policies, checked(policies, weights), rule, self.normaliser, self.scope, streams)
