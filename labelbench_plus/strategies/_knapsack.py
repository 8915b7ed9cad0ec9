"""How greedy strategies whose gains shrink spend money when items have different prices."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor

    from labelbench_plus.algorithms.blocks.lazy_greedy import Objective


def pick_or_buy(view: PoolView, n: int, pick: Callable[[], Tensor], objective: Callable[[], Objective]) -> Tensor:
    """The positions `pick` gives where all items cost the same; else what knapsack greedy buys, then the cheapest rest.

    The rest is there because a query names `n` items: the oracle buys from the top of the list what still fits.
    """
    import torch

    from labelbench_plus.algorithms.blocks.knapsack import knapsack_greedy

    prices = view.prices
    if n == 0:
        return torch.empty(0, dtype=torch.long, device=prices.device)
    if bool((prices == prices[0]).all()):
        return pick()
    bought = knapsack_greedy(objective(), prices, view.money).rows
    left = torch.ones(len(prices), dtype=torch.bool, device=prices.device)
    left[bought] = False
    cheapest = torch.argsort(prices.masked_fill(~left, torch.inf), stable=True)
    return torch.cat([bought, cheapest])[:n]
