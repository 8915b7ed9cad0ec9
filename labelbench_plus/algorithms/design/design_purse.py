"""What a greedy design has picked, and what it can still pay for."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from labelbench_plus.algorithms.blocks.checks import check_count, check_finite, check_matrix


@dataclass
class Purse:
    """What has been picked, and what can still be paid for."""

    prices: Tensor | None
    remaining: float | None
    taken: Tensor  # (N,) bool
    order: list[int]

    def affordable(self) -> Tensor:
        """Rows that may be picked now, (N,) bool."""
        open_rows = ~self.taken
        if self.remaining is not None and self.prices is not None:
            open_rows &= self.prices <= self.remaining
        return open_rows

    def buy(self, picks: list[int]) -> None:
        """Take rows and pay for them."""
        self.order += picks
        self.taken[picks] = True
        if self.remaining is not None and self.prices is not None:
            self.remaining -= float(self.prices[picks].sum())

    def picks(self) -> Tensor:
        """Return the rows bought, in order, LongTensor."""
        return torch.tensor(self.order, dtype=torch.long, device=self.taken.device)


def open_purse(features: Tensor, n: int, prices: Tensor | None, budget: float | None) -> Purse:
    """Return a purse from which nothing has been bought, after the arguments every greedy design takes are checked."""
    check_matrix(features, "features")
    check_count(n, features.shape[0])
    if prices is not None:
        prices = check_finite(prices, "prices").to(features.device, torch.float64)
        if prices.shape != (features.shape[0],) or bool((prices <= 0).any()):
            raise ValueError(f"prices must be {features.shape[0]} positive numbers, one for each row of features")
    if budget is not None and prices is None:
        raise ValueError("budget needs prices: give the price of every row")
    if budget is not None and not budget >= 0:
        raise ValueError(f"budget must be at least 0, got {budget}")
    taken = torch.zeros(features.shape[0], dtype=torch.bool, device=features.device)
    return Purse(prices, budget, taken, [])
