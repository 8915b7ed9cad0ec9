"""Labels in proportion to the squared entries of the least-norm relevance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge
from numpy.random import Generator

from labelbench_plus.source_tasks.allocation import Allocation
from labelbench_plus.source_tasks.papers import A_MTRL
from labelbench_plus.source_tasks.view import SourceView
from labelbench_plus.strategies import SourceStrategy, strategies
from labelbench_plus.strategies.source_tasks._relevance import l2_share
from labelbench_plus.strategies.source_tasks._spend import spend


@strategies.register("l2_relevance")
@dataclass(frozen=True)
class L2Relevance(SourceStrategy):
    """n_m ∝ ν_m², ν of least norm among those that express the target's head by the sources' (L2-A-MTRL).

    Estimated anew in every round from all labels so far; several targets add up. Prices are not looked at.

    Parameters
    ----------
    floor: labels that every source gets whatever its relevance, so that a head once misjudged can recover; 2 k if null.

    Source: Chen, Jamieson, Du, "Active multi-task representation learning" (ICML 2022). The paper fixes an accuracy and
    lets the total grow; here the total is the budget and the shares are the paper's. Its theory draws fresh data in
    every epoch; here labels are kept.
    """

    title = "L2-A-MTRL"
    reference = A_MTRL
    needs = frozenset({"source_heads", "target_heads"})

    floor: Annotated[int, Ge(0)] | None = None

    def select(self, view: SourceView, n: int, rng: Generator) -> Allocation:
        return spend(view, l2_share(view.source_heads, view.target_heads), n, self.floor)
