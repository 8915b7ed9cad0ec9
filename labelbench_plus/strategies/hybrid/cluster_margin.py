"""Cluster-Margin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge
from numpy.random import Generator

from labelbench_plus.reference import Reference
from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("cluster_margin")
@dataclass(frozen=True)
class ClusterMargin(PoolStrategy):
    """Query items of small margin, taking turns over clusters, the smallest first (Citovsky et al., 2021).

    The paper clusters the pool once; here it is the candidates, in every round, since a strategy keeps no state.
    Average linkage is approximated: k-means makes small groups first, and whole groups are merged.

    Parameters
    ----------
    clusters: their number. (The paper instead cuts the tree at a distance chosen for a cluster size.)
    groups: the most groups that k-means makes.
    shortlist: how many items of small margin are looked at, in batches.
    """

    title = "Cluster-Margin"
    reference = Reference(("Citovsky", "others"), 2021, arxiv="2107.14263")
    needs = frozenset({"probabilities", "features"})

    clusters: Annotated[int, Ge(1)] = 100
    groups: Annotated[int, Ge(1)] = 1000
    shortlist: Annotated[int, Ge(1)] = 10

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        from labelbench_plus.algorithms.blocks.checks import check_count
        from labelbench_plus.algorithms.cluster_margin import average_linkage_of_groups, cluster_margin
        from labelbench_plus.algorithms.uncertainty import margin

        size = len(view.candidates)
        margins = margin(view.probabilities)
        if check_count(n, size) == 0:
            return view.candidates[:0]
        groups = min(self.groups, size)
        clusters = average_linkage_of_groups(view.features, min(self.clusters, groups), rng, n_groups=groups)
        chosen = cluster_margin(margins, clusters, n, rng, shortlist=max(n, min(self.shortlist * n, size)))
        return view.candidates[chosen]
