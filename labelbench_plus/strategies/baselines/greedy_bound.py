"""What a learner that is told all labels would buy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge
from numpy.random import Generator

from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("greedy_bound")
@dataclass(frozen=True)
class GreedyBound(PoolStrategy):
    """Query, one by one, the item whose label would help a learner most that is told all labels. A bound, not a method.

    The learner is a kernel least-squares classifier on the features, and what helps is a smaller error on the whole
    pool, with classes equally weighted. It shows how much choosing could gain, and is no strict bound: its picks are
    greedy, and the run trains another model. Where items have prices, the gain per unit of budget counts.

    Parameters
    ----------
    trials: items drawn for each pick, of which the best is taken.
    """

    title = "Greedy, told all labels"
    needs = frozenset({"features", "labels", "truth"})
    knows_truth = True

    trials: Annotated[int, Ge(1)] = 256

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        import torch

        from labelbench_plus.algorithms.greedy_bound import greedy_bound

        open_, known = len(view.candidates), len(view.labelled)
        features = torch.cat([view.features, view.labelled_features])
        labels = torch.cat([view.truth, view.labels])
        prices = torch.cat([view.prices, view.prices.new_ones(known)])
        bought = torch.arange(open_, open_ + known, device=features.device)
        return view.candidates[greedy_bound(features, labels, bought, n, rng, trials=self.trials, prices=prices)]
