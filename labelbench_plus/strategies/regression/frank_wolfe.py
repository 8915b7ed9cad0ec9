"""Bayesian batches as sparse subset approximation."""

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


@strategies.register("frank_wolfe")
@dataclass(frozen=True)
class FrankWolfe(LinearStrategy):
    """Query a batch whose weighted z sum up to those of the whole pool (ACS-FW; Pinsler et al., 2019, algorithm 1).

    Every step takes a new item, so n steps give n; the original can return to an item and gives fewer. Labelled items
    do not enter, as in the paper: the pool shrinks by them.

    Parameters
    ----------
    reads: what z holds before the constant 1: "features" that are frozen, or "embeddings" of the current model.
    """

    title = "ACS-FW"
    reference = Reference(("Pinsler", "others"), 2019, arxiv="1908.02144")

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        from labelbench_plus.algorithms.frank_wolfe import frank_wolfe

        rows, _ = self.rows(view)
        return view.candidates[frank_wolfe(rows, n)]
