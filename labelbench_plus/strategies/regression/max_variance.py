"""ALM: the largest posterior variance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from numpy.random import Generator

from labelbench_plus.reference import Reference
from labelbench_plus.strategies import strategies
from labelbench_plus.strategies.regression._posterior import PosteriorStrategy
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("max_variance")
@dataclass(frozen=True)
class MaxVariance(PosteriorStrategy):
    """Query where the variance of the prediction is largest (ALM; MacKay, 1992).

    Where covariances are known a batch is conditioned on its own items, which labels do not change: under "linear" it
    is the greedy D-optimal design, under "rbf" the greedy log-determinant of a Gaussian process. A trained model
    gives variances alone, so "model" takes the n largest, or with prices the largest per unit of budget.

    Parameters
    ----------
    posterior: "model" is the trained model's own; "members" has the covariances of its members; "linear" is that of a
        linear model in the features and a constant, "rbf" that of a Gaussian process on the features.
    noise: variance of a label's noise, in units of the prior variance: of a weight ("linear"), of the process
        ("rbf"), or of the mean variance over the pool ("members").
    scale: of "rbf": γ of exp(−‖x − x'‖² / γ) over the mean squared distance of two items.
    """

    title = "Largest variance"
    reference = Reference(("MacKay",), 1992)

    posterior: Literal["model", "members", "linear", "rbf"] = "model"  # type: ignore[misc]

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        from labelbench_plus.algorithms.posterior_variance import max_variance
        from labelbench_plus.algorithms.uncertainty import top_scores

        if self.posterior == "model":
            return view.candidates[top_scores(view.variance / view.prices, n)]
        rows, given = self.model(view)
        return view.candidates[max_variance(rows, n, **given)]
