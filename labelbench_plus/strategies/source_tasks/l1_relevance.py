"""Labels in proportion to the entries of the relevance of least length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Gt
from numpy.random import Generator

from labelbench_plus.algorithms.relevance import lasso_relevance, lasso_to_discrepancy
from labelbench_plus.source_tasks.allocation import Allocation
from labelbench_plus.source_tasks.papers import L1_A_MTRL
from labelbench_plus.source_tasks.view import SourceView
from labelbench_plus.strategies import SourceStrategy, strategies
from labelbench_plus.strategies.source_tasks._relevance import l1_share, largest
from labelbench_plus.strategies.source_tasks._spend import spend


@strategies.register("l1_relevance")
@dataclass(frozen=True)
class L1Relevance(SourceStrategy):
    """n_m ∝ |ν_m| / √price_m, ν of least Σ √price_m |ν_m| among those that express the target's head (L1-A-MTRL).

    Estimated anew in every round from all labels so far; several targets add up. A budget of two rounds is the paper's
    two phases, more of them refine the estimate.

    Parameters
    ----------
    rule: "lp" asks for exact expression (a linear program, which also weighs what it costs to open sources);
        "fraction" is the LASSO with a penalty of `fraction` times the one that leaves nothing; "discrepancy" takes the
        largest penalty that misses the target's head by no more than its own noise, √(k σ̂² / n). The LASSO rules take
        label prices into account in the shares only.
    fraction: of the penalty that leaves nothing, for the rule of that name.
    max_sources: how many sources at most; the most relevant ones, over which the relevance is then solved again.
    floor: labels that every source gets whatever its relevance; 2 k if null. With `max_sources` only those.

    Source: Wang, Chen, Jamieson, Du, "Improved active multi-task representation learning via Lasso" (ICML 2023). That
    the rule is the c-optimal design over the heads, and with it the form for prices, is our reading; so are all three
    rules for the penalty.
    """

    title = "L1-A-MTRL"
    reference = L1_A_MTRL
    needs = frozenset({"source_heads", "target_heads", "head_noise"})

    rule: Literal["lp", "fraction", "discrepancy"] = "lp"
    fraction: Annotated[float, Gt(0)] = 0.1
    max_sources: Annotated[int, Ge(1)] | None = None
    floor: Annotated[int, Ge(0)] | None = None

    def select(self, view: SourceView, n: int, rng: Generator) -> Allocation:
        heads, targets = view.source_heads, view.target_heads
        share = self._share(view, heads, targets)
        only = None
        if self.max_sources is not None:
            only = largest(share, self.max_sources)
            share = self._share(view, np.where(only, heads, 0.0), targets)
        return spend(view, share, n, self.floor, only)

    def _share(self, view: SourceView, heads: np.ndarray, targets: np.ndarray) -> np.ndarray:
        if self.rule == "lp":
            return l1_share(view, heads, targets)
        share = np.zeros(heads.shape[1])
        for target, noise in zip(targets.T, view.head_noise, strict=True):
            if self.rule == "discrepancy":
                share += np.abs(lasso_to_discrepancy(heads, target, float(np.sqrt(noise))))
            elif (most := float(np.abs(heads.T @ target).max())) > 0:
                share += np.abs(lasso_relevance(heads, target, self.fraction * most))
        return share / np.sqrt(view.prices)
