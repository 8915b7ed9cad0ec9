"""The least-length rule, told the true heads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge
from numpy.random import Generator

from labelbench_plus.source_tasks.allocation import Allocation
from labelbench_plus.source_tasks.papers import L1_A_MTRL
from labelbench_plus.source_tasks.view import SourceView
from labelbench_plus.strategies import SourceStrategy, strategies
from labelbench_plus.strategies.source_tasks._relevance import l1_share
from labelbench_plus.strategies.source_tasks._spend import spend


@strategies.register("l1_relevance_known")
@dataclass(frozen=True)
class L1RelevanceKnown(SourceStrategy):
    """`l1_relevance` (exact expression) with the true heads in place of estimates: a bound, not a method.

    Source: Wang, Chen, Jamieson, Du (ICML 2023), their analysis with known relevance.
    """

    title = "L1-A-MTRL, true heads"
    reference = L1_A_MTRL
    needs = frozenset({"true_heads"})
    knows_truth = True

    floor: Annotated[int, Ge(0)] | None = None

    def select(self, view: SourceView, n: int, rng: Generator) -> Allocation:
        return spend(view, l1_share(view, view.true_source_heads, view.true_target_heads), n, self.floor)
