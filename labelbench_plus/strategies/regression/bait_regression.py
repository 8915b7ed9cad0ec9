"""BAIT for real-valued labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge, Gt
from numpy.random import Generator

from labelbench_plus.reference import Reference
from labelbench_plus.strategies import strategies
from labelbench_plus.strategies.regression._linear import LinearStrategy
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("bait_regression")
@dataclass(frozen=True)
class BaitRegression(LinearStrategy):
    """Query what lowers tr((λI + Σ z zᵀ of the chosen)⁻¹ · mean z zᵀ of the pool) most (Ash et al., 2021).

    With Gaussian noise the Fisher information of an item is z zᵀ whatever its label. Forward n + extra, then extra are
    given back: Holzmüller et al. (2023) call it BAIT-FB, and BAIT-F with extra = 0, which is the V-optimal design.

    Parameters
    ----------
    reads: what z holds before the constant 1: "features" that are frozen, or "embeddings" of the current model.
    ridge: λ, in squared units of what is read; the average variance of features is one.
    extra: how many more than n are picked and given back; by default n, as in BAIT.
    """

    title = "BAIT, real-valued labels"
    reference = Reference(("Ash", "others"), 2021, arxiv="2106.09675")

    ridge: Annotated[float, Gt(0)] = 1.0
    extra: Annotated[int, Ge(0)] | None = None

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        from labelbench_plus.algorithms.bait_regression import bait_regression

        rows, labelled = self.rows(view)
        chosen = bait_regression(rows, n, labelled_embeddings=labelled, ridge=self.ridge, extra=self.extra)
        return view.candidates[chosen]
