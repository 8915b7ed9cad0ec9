"""iGS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from numpy.random import Generator

from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.strategies._papers import GREEDY_SAMPLING
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("igs")
@dataclass(frozen=True)
class IGS(PoolStrategy):
    """Query, one by one, the item farthest from what is labelled in features and outputs (Wu et al., 2019, iGS).

    The score is the smallest product, over labelled items, of the distance between features and that between prediction
    and label. Within a batch, the prediction of an item just chosen stands in for its label, and the model is not
    updated. Where all predictions and labels are equal, all products are zero, and items are chosen in the order of
    their indices.
    """

    title = "iGS"
    reference = GREEDY_SAMPLING
    needs = frozenset({"features", "predictions"})

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        from labelbench_plus.algorithms.greedy_sampling import igs

        labels: Tensor = view.answers  # type: ignore[assignment]
        chosen = igs(view.features, view.predictions, n, labelled=view.labelled_features, labels=labels)
        return view.candidates[chosen]
