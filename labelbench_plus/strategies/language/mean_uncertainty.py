"""Mean token uncertainty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from numpy.random import Generator

from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.strategies._papers import LABEL_EFFICIENT_FINETUNING
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("mean_uncertainty")
@dataclass(frozen=True)
class MeanUncertainty(PoolStrategy):
    """Query the prompts whose answers a language model was least sure of, over all tokens (Bhatt et al., 2024).

    The paper's other measures beside `max_uncertainty`. It does not use the trained model. Where items have prices, the
    uncertainty per unit of budget counts.

    Parameters
    ----------
    measure: the mean entropy of the tokens; the least confidence, minus the log probability of the answer, which grows
        with its length, as published; or one minus the mean margin.
    """

    title = "Mean token uncertainty"
    reference = LABEL_EFFICIENT_FINETUNING
    needs = frozenset({"mean_token_uncertainty"})

    measure: Literal["entropy", "least_confidence", "margin"] = "entropy"

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        from labelbench_plus.algorithms.token_uncertainty import MEASURES
        from labelbench_plus.algorithms.uncertainty import top_scores

        scores = view.mean_token_uncertainty[:, MEASURES.index(self.measure)]
        return view.candidates[top_scores(scores / view.prices, n)]
