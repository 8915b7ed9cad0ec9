"""ProbCover."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from annotated_types import Gt, Interval
from numpy.random import Generator

from labelbench_plus.reference import Reference
from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.strategies._knapsack import pick_or_buy
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("probcover")
@dataclass(frozen=True)
class ProbCover(PoolStrategy):
    """Query the items whose balls of radius δ cover most of the pool that is not covered yet (Yehuda et al., 2022).

    Where items have prices, the coverage per unit of budget counts.

    Parameters
    ----------
    delta: the radius, in units of the features, whose average variance is one. By default, the largest for which a
        share `purity` of the balls holds one cluster only, out of as many clusters as classes (section 3.3).
    purity: that share.
    """

    title = "ProbCover"
    reference = Reference(("Yehuda", "others"), 2022, arxiv="2205.11320")
    needs = frozenset({"features", "num_classes"})

    delta: Annotated[float, Gt(0)] | None = None
    purity: Annotated[float, Interval(gt=0, le=1)] = 0.95

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        import torch

        from labelbench_plus.algorithms.probcover import Coverage, probcover, purity_delta

        features, centers = view.features, view.labelled_features
        pool = torch.cat([features, centers])
        delta = self.delta
        if delta is None and n > 0:
            distinct = len(torch.unique(pool, dim=0))
            # Fewer different items than classes have no clusters to be pure of: a ball around each is as good as any.
            enough = distinct > view.num_classes
            delta = purity_delta(pool, view.num_classes, rng, purity=self.purity) if enough else 1.0
        chosen = pick_or_buy(
            view,
            n,
            lambda: probcover(features, n, delta or 1.0, centers=centers),
            lambda: Coverage(features, delta or 1.0, centers=centers),
        )
        return view.candidates[chosen]
