"""TypiClust."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge
from numpy.random import Generator

from labelbench_plus.marks import Since
from labelbench_plus.reference import Reference
from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("typiclust")
@dataclass(frozen=True)
class TypiClust(PoolStrategy):
    """Query the most typical item of each of the largest clusters without labels (Hacohen et al., 2022, algorithm 1).

    Parameters
    ----------
    neighbours: over how many nearest items of the cluster typicality is a mean.
    max_clusters: upper bound on the number of clusters, which otherwise is labelled items + batch.
    trials: items drawn for each centre that k-means starts from, of which the best is taken. Eight of them, which is
        about what scikit-learn draws for 500 clusters, lead to tighter clusters.
    """

    title = "TypiClust"
    reference = Reference(("Hacohen", "Dekel", "Weinshall"), 2022, arxiv="2202.02794")
    needs = frozenset({"features"})

    neighbours: Annotated[int, Ge(1)] = 20
    max_clusters: Annotated[int, Ge(1)] = 500
    trials: Annotated[int, Ge(1), Since("0.1")] = 1

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        from labelbench_plus.algorithms.typiclust import typiclust

        chosen = typiclust(
            view.features,
            n,
            rng,
            centers=view.labelled_features,
            neighbours=self.neighbours,
            max_clusters=self.max_clusters,
            trials=self.trials,
        )
        return view.candidates[chosen]
