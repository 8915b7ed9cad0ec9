"""Maximum token uncertainty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from numpy.random import Generator

from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.strategies._papers import LABEL_EFFICIENT_FINETUNING
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("max_uncertainty")
@dataclass(frozen=True)
class MaxUncertainty(PoolStrategy):
    """Query the texts with the token that a language model was least sure of (Bhatt et al., 2024), in one shot.

    It does not use the trained model, so it can spend the whole budget before any label. Where items have prices, the
    uncertainty per unit of budget counts.

    Parameters
    ----------
    measure: of a token: entropy, least confidence, or margin ("min margin").
    """

    title = "Maximum token uncertainty"
    reference = LABEL_EFFICIENT_FINETUNING
    needs = frozenset({"token_uncertainty"})

    measure: Literal["entropy", "least_confidence", "margin"] = "margin"

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        from labelbench_plus.algorithms.token_uncertainty import Measure
        from labelbench_plus.algorithms.uncertainty import top_scores

        scores = view.token_uncertainty[:, get_args(Measure).index(self.measure)]
        return view.candidates[top_scores(scores / view.prices, n)]
