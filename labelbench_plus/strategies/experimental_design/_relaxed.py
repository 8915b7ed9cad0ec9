"""How strategies turn a relaxed design into a query."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor

    from labelbench_plus.algorithms.design.design_rounding import RoundedDesign
    from labelbench_plus.algorithms.design.relaxed_design import RelaxedDesign


def relax_and_round(
    view: PoolView,
    n: int,
    ridge: float,
    relax: Callable[..., RelaxedDesign],
    to_rows: Callable[..., RoundedDesign],
) -> Tensor:
    """The `n` candidates of a relaxed design, rounded; those that raise log det M most per price come first.

    Notes `certified_efficiency`: how much of the best possible choice's criterion this one reaches for certain.
    A design has no order, but a query has: where prices differ, the oracle buys from the top of the list what fits.
    """
    from labelbench_plus.algorithms.blocks.checks import check_count
    from labelbench_plus.algorithms.design.greedy_design import d_optimal

    check_count(n, len(view.candidates))
    if n == 0:
        return view.candidates[:0]
    features, labelled = view.features, view.labelled_features
    design = relax(features, n, ridge=ridge, labelled=labelled)
    rounded = to_rows(features, design, ridge=ridge, labelled=labelled)
    view.note("certified_efficiency", rounded.certificate.efficiency)
    picks = rounded.picks
    order = d_optimal(features[picks], n, ridge=ridge, labelled=labelled, prices=view.prices[picks])
    return view.candidates[picks[order]]
