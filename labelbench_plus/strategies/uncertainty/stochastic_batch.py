"""Uncertainty sampling with a draw in place of the top of the list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Ge
from numpy.random import Generator

from labelbench_plus.reference import Reference
from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("stochastic_batch")
@dataclass(frozen=True)
class StochasticBatch(PoolStrategy):
    """Draw a batch without replacement in proportion to a function of the uncertainty (Kirsch et al., 2023, table 1).

    A batch of the most uncertain items often holds near copies of one item; a draw does not. Where items have prices,
    the uncertainty per unit of budget counts.

    Parameters
    ----------
    score: which uncertainty; "margin" is one minus the margin.
    law: "power" draws by score^beta, "softmax" by exp(beta · score), "softrank" by rank^(-beta).
    beta: how strongly draws favour the top of the list.
    """

    title = "Stochastic batch"
    reference = Reference(("Kirsch", "others"), 2023, arxiv="2106.12059")

    score: Literal["entropy", "least_confidence", "margin", "bald"] = "entropy"
    law: Literal["power", "softmax", "softrank"] = "power"
    beta: Annotated[float, Ge(0)] = 1.0

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        return frozenset({"member_probabilities" if self.score == "bald" else "probabilities"})

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        from labelbench_plus.algorithms.bald import bald
        from labelbench_plus.algorithms.stochastic_batch import (
            power_acquisition,
            softmax_acquisition,
            softrank_acquisition,
        )
        from labelbench_plus.algorithms.uncertainty import entropy, least_confidence, margin

        if self.score == "bald":
            scores = bald(view.member_probabilities)
        elif self.score == "margin":
            scores = 1 - margin(view.probabilities)
        else:
            scores = {"entropy": entropy, "least_confidence": least_confidence}[self.score](view.probabilities)
        laws = {"power": power_acquisition, "softmax": softmax_acquisition, "softrank": softrank_acquisition}
        return view.candidates[laws[self.law](scores / view.prices, n, rng, beta=self.beta)]
