"""Greedy log-determinant of a model's kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Gt
from numpy.random import Generator

from labelbench_plus.strategies import strategies
from labelbench_plus.strategies._knapsack import pick_or_buy
from labelbench_plus.strategies._papers import DEEP_BATCHES_FOR_REGRESSION
from labelbench_plus.strategies.regression._linear import LinearStrategy
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("max_det")
@dataclass(frozen=True)
class MaxDet(LinearStrategy):
    """Query what raises log det(I + K / noise) most, given what is labelled (MaxDet of Holzmüller et al., 2023).

    K is the covariance of the labels a priori, so that the sum is the information of a batch: BatchBALD for
    regression. Where items have prices, the gain per unit of budget counts.

    Parameters
    ----------
    reads: what z holds before the constant 1: "features" that are frozen, or "embeddings" of the current model.
    kernel: "linear" is z · z'; "rbf" is exp(−‖x − x'‖² / γ) of what is read, without the constant.
    noise: variance of a label's noise in the unit of the kernel: the variance of a weight, or of the process.
    scale: γ over the mean squared distance of two items.
    """

    title = "MaxDet"
    reference = DEEP_BATCHES_FOR_REGRESSION

    kernel: Literal["linear", "rbf"] = "linear"
    noise: Annotated[float, Gt(0)] = 0.1
    scale: Annotated[float, Gt(0)] = 1.0

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        from labelbench_plus.algorithms.blocks.similarity import Rbf
        from labelbench_plus.algorithms.log_det import Linear, LogDet, log_det

        rows, labelled = self.rows(view)  # between two rows a constant makes no distance
        kernel = Linear() if self.kernel == "linear" else Rbf(scale=self.scale)
        chosen = pick_or_buy(
            view,
            n,
            lambda: log_det(rows, n, alpha=1 / self.noise, centers=labelled, kernel=kernel),
            lambda: LogDet(rows, alpha=1 / self.noise, centers=labelled, kernel=kernel),
        )
        return view.candidates[chosen]
