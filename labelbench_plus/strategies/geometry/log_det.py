"""Log-determinant of a kernel matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Gt
from numpy.random import Generator
from torch import Tensor

from labelbench_plus.algorithms.log_det import log_det
from labelbench_plus.algorithms.similarity import Rbf
from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.view import PoolView


@strategies.register("log_det")
@dataclass(frozen=True)
class LogDet(PoolStrategy):
    """Query the items that span the largest volume: log det(I + α K), greedily (Chen et al., 2018).

    Parameters
    ----------
    scale: width of the Gaussian similarity exp(−‖x − y‖² / γ), as γ over the mean squared distance of two items.
    alpha: weight of the kernel against the identity.
    """

    needs = frozenset({"features"})

    scale: Annotated[float, Gt(0)] = 0.1
    alpha: Annotated[float, Gt(0)] = 1.0

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        return view.candidates[
            log_det(view.features, n, alpha=self.alpha, centers=view.labelled_features, kernel=Rbf(scale=self.scale))
        ]
