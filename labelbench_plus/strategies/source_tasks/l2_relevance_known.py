"""The least-norm rule, told the true heads."""

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


@strategies.register("l2_relevance_known")
@dataclass(frozen=True)
class L2RelevanceKnown(SourceStrategy):
    """`l2_relevance` with the true heads in place of estimates: a bound, not a method.

    Source: Chen, Jamieson, Du (ICML 2022), their analysis with known relevance.
    """

    title = "L2-A-MTRL, true heads"
    reference = A_MTRL
    needs = frozenset({"true_heads"})
    knows_truth = True

    floor: Annotated[int, Ge(0)] | None = None

    def select(self, view: SourceView, n: int, rng: Generator) -> Allocation:
        return spend(view, l2_share(view.true_source_heads, view.true_target_heads), n, self.floor)
