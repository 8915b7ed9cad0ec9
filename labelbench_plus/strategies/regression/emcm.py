"""Expected model change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from numpy.random import Generator

from labelbench_plus.reference import Reference
from labelbench_plus.strategies import strategies
from labelbench_plus.strategies.regression._linear import LinearStrategy
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("emcm")
@dataclass(frozen=True)
class EMCM(LinearStrategy):
    """Query where a step of gradient descent is expected to move a linear model most (Cai et al., 2013).

    The score of x is the mean over members f_k of ‖(f(x) − f_k(x)) z(x)‖. A batch is the n largest: the model is not
    updated in between. Where items have prices, the change per unit of budget counts.

    Parameters
    ----------
    reads: what z holds before the constant 1: "features" that are frozen, or "embeddings" of the current model.
    """

    title = "Expected model change"
    reference = Reference(("Cai", "Zhang", "Zhou"), 2013, "Maximizing expected model change", venue="ICDM")

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        return frozenset({self.reads, "predictions", "members"})

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        from labelbench_plus.algorithms.committee import expected_model_change
        from labelbench_plus.algorithms.uncertainty import top_scores

        rows, _ = self.rows(view)
        change = expected_model_change(view.predictions, view.members, rows)
        return view.candidates[top_scores(change / view.prices, n)]
