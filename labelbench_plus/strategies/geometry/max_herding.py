"""MaxHerding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from annotated_types import Gt
from numpy.random import Generator

from labelbench_plus.reference import Reference
from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("max_herding")
@dataclass(frozen=True)
class MaxHerding(PoolStrategy):
    """Query what raises the generalised coverage of the pool most (Bae et al., 2024, algorithm 1).

    Features are scaled to unit norm, for which the fixed bandwidth is meant. With a Gaussian kernel this is facility
    location under another bandwidth.

    Parameters
    ----------
    gamma: γ of the kernel exp(−‖x − y‖² / γ).
    """

    title = "MaxHerding"
    reference = Reference(("Bae", "Noh", "Sutherland"), 2024, arxiv="2407.12212")
    needs = frozenset({"features"})

    gamma: Annotated[float, Gt(0)] = 1.0

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        from torch.nn.functional import normalize

        from labelbench_plus.algorithms.max_herding import max_herding

        features, centers = normalize(view.features), normalize(view.labelled_features)
        return view.candidates[max_herding(features, n, gamma=self.gamma, centers=centers)]
