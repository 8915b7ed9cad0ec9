"""Shares from relevance: the rules that the learned and the informed strategies have in common."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from labelbench_plus.algorithms.priced_relevance import relevance_for_money
from labelbench_plus.algorithms.relevance import l1_relevance, min_norm_relevance
from labelbench_plus.source_tasks.view import SourceView

Rule = Callable[[np.ndarray, np.ndarray], np.ndarray]


def l2_share(heads: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(S,) Σ over targets of the squared entries of ν²."""
    return np.asarray(sum(min_norm_relevance(heads, target) ** 2 for target in targets.T))


def l1_share(view: SourceView, heads: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(S,) Σ over targets of |ν_m| / √price_m, with ν of least Σ √price_m |ν_m|.

    Where opening sources costs something, ν weighs that against the labels the rest of the money buys; of several
    targets each is given an equal part of the money.
    """
    money = view.money / targets.shape[1]
    share = np.zeros(heads.shape[1])
    for target in targets.T:
        try:
            relevance = relevance_for_money(heads, target, view.prices, view.opening_prices, money)
        except ValueError:  # too little money to open what would express the target: as near as labels alone get
            relevance = l1_relevance(heads, target, np.sqrt(view.prices))
        share += np.abs(relevance)
    return share / np.sqrt(view.prices)


def largest(share: np.ndarray, count: int | None) -> np.ndarray:
    """(S,) bool: the `count` sources with the largest shares, ties to the lowest id; all if None."""
    chosen = np.ones(len(share), dtype=bool)
    if count is not None:
        chosen[np.argsort(-share, kind="stable")[count:]] = False
    return chosen
