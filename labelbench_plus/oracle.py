"""The only door to hidden labels: a query is checked, charged and recorded before anything is revealed."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from labelbench_plus.budget import Ledger, Purchase


class QueryError(Exception):
    """A query breaks the contract. The message says what was expected, what came, and the first offenders."""


class Oracle(Protocol):
    """What the loop asks of a problem's oracle, whatever the family."""

    def ask_for(self, allowance: float, ledger: Ledger) -> int:
        """How much a strategy is to ask for with `allowance` money: items of a pool, or labels over all sources."""

    def answer(self, query: Any, allowance: float, ledger: Ledger) -> None:
        """Check `query`, charge it to `ledger`, record it there with its answers.

        Raises
        ------
        QueryError
            The query breaks the contract; nothing was charged or revealed.
        """


class PoolOracle:
    """Sells the labels of a pool's items at one unit each.

    Parameters
    ----------
    labels: (N,) what is revealed on purchase. Held here alone: no view and no training data refers to it.
    """

    def __init__(self, labels: np.ndarray) -> None:
        self.__labels = labels

    def ask_for(self, allowance: float, ledger: Ledger) -> int:
        # The epsilon forgives the rounding of sums of fractional amounts; a whole label is never lost to it.
        return min(int(allowance + 1e-9), len(self.__labels) - len(ledger.items))

    def answer(self, query: Any, allowance: float, ledger: Ledger) -> None:
        items = as_items(query)
        expected = self.ask_for(allowance, ledger)
        check_items(items, expected, len(self.__labels), ledger.items)
        ledger.record(Purchase(items, np.ones(len(items)), self.__labels[items]))


def as_items(query: Any) -> np.ndarray:
    """A query for pool items as an int64 vector.

    Raises
    ------
    QueryError
        Not a one-dimensional vector of integers.
    """
    array = query.detach().cpu().numpy() if hasattr(query, "detach") else np.asarray(query)
    if array.ndim != 1 or not (np.issubdtype(array.dtype, np.integer) or array.size == 0):
        raise QueryError(
            f"expected a one-dimensional vector of integer pool indices, got shape {array.shape} of {array.dtype}"
        )
    return array.astype(np.int64)


def check_items(items: np.ndarray, expected: int, pool_size: int, bought: np.ndarray) -> None:
    """Refuse a query that is not exactly `expected` distinct, unbought items of the pool.

    Raises
    ------
    QueryError
        Names the rule broken and the first offending indices.
    """
    if len(items) != expected:
        raise QueryError(f"expected {expected} items, got {len(items)}")
    if len(outside := items[(items < 0) | (items >= pool_size)]):
        raise QueryError(f"expected indices in 0..{pool_size - 1}, got {_first(outside)}")
    values, counts = np.unique(items, return_counts=True)
    if len(repeated := values[counts > 1]):
        raise QueryError(f"expected {expected} different items, but {_first(repeated)} came more than once")
    if len(again := items[np.isin(items, bought)]):
        raise QueryError(f"expected items not bought before, but {_first(again)} were")


def _first(items: np.ndarray, count: int = 5) -> str:
    shown = ", ".join(map(str, items[:count].tolist()))
    return f"{shown}, … ({len(items)} in all)" if len(items) > count else shown
