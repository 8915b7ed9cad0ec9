"""LCMD."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from numpy.random import Generator

from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.strategies._papers import DEEP_BATCHES_FOR_REGRESSION
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("lcmd")
@dataclass(frozen=True)
class LCMD(PoolStrategy):
    """Query, one by one, the farthest item of the largest cluster (largest cluster maximum distance).

    Every item belongs to its nearest chosen item; the size of a cluster is the sum of its squared distances (Holzmüller
    et al., 2023). They measure distances in sketched gradients of a network; here distances are Euclidean in `reads`.
    If nothing was chosen yet, the item of the largest norm comes first.

    Parameters
    ----------
    reads: "features" that are frozen, or "embeddings" of the current model.
    """

    title = "LCMD"
    reference = DEEP_BATCHES_FOR_REGRESSION

    reads: Literal["features", "embeddings"] = "features"

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        return frozenset({self.reads})

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        from labelbench_plus.algorithms.lcmd import lcmd

        if self.reads == "features":
            return view.candidates[lcmd(view.features, n, centers=view.labelled_features)]
        return view.candidates[lcmd(view.embeddings, n, centers=view.labelled_embeddings)]
