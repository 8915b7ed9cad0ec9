"""The only door to hidden labels: a query is checked, charged and recorded before anything is revealed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.random import Generator

from labelbench_plus.budget import Ledger, Purchase

ROUNDING = 1e-9
"""Share of an allowance by which sums of fractional prices may be off without costing a label."""


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


@dataclass(frozen=True)
class StratifiedDraw:
    """A query that leaves the choice to the oracle: as many items of each class as can be, drawn with `rng`.

    It uses labels nobody paid for, so only a first round may ask it, and results say so.
    """

    rng: Generator


@dataclass(frozen=True)
class Again:
    """A query for what another run bought in a round: how a run learns from labels chosen under another trainer.

    It is answered only if what is sold is what that run got, to the item, the price and the answer.
    """

    purchase: Purchase


def check_again(query: Any, found: Purchase) -> None:
    """Refuse to sell again what is no longer what it was.

    Raises
    ------
    QueryError
        `query` is an `Again`, and `found`, which is about to be recorded, is not what it asks for.
    """
    if isinstance(query, Again) and (now := found.as_json()) != (then := query.purchase.as_json()):
        wrong = ", ".join(sorted(name for name in then if now.get(name) != then[name]))
        raise QueryError(f"expected to sell what the run with the proxy bought, but its {wrong} are others")


class PoolOracle:
    """Sells the labels of a pool's items.

    A query lists items, best first. When prices differ, a strategy cannot know how many fit: it is asked for as many
    as the money could buy at the lowest prices, and the oracle goes down the list buying what still fits.

    Parameters
    ----------
    labels: (N,) what is revealed on purchase. Held here alone: no view and no training data refers to it.
    prices: (N,) what each label costs, positive; one unit each if left out.
    """

    def __init__(self, labels: np.ndarray, prices: np.ndarray | None = None) -> None:
        self.__labels = labels
        self._prices = np.ones(len(labels)) if prices is None else prices.astype(np.float64)

    def ask_for(self, allowance: float, ledger: Ledger) -> int:
        left = np.delete(self._prices, ledger.items)
        return int(np.searchsorted(np.cumsum(np.sort(left)), allowance * (1 + ROUNDING), side="right"))

    def answer(self, query: Any, allowance: float, ledger: Ledger) -> None:
        if isinstance(query, StratifiedDraw):
            query = self._stratified(query.rng, ledger)[: self.ask_for(allowance, ledger)]
        if isinstance(query, Again):  # of dear items, fewer were bought than had been asked for
            items, expected = query.purchase.items, len(query.purchase.items)
        else:
            items, expected = as_items(query), self.ask_for(allowance, ledger)
        check_items(items, expected, len(self.__labels), ledger.items)
        items = items[affordable(self._prices[items], allowance)]
        purchase = Purchase(items, self._prices[items], self.__labels[items])
        check_again(query, purchase)
        ledger.record(purchase)

    def _stratified(self, rng: Generator, ledger: Ledger) -> np.ndarray:
        """Everything not bought yet, classes taking turns, in random order within a class and a turn."""
        items = rng.permutation(np.setdiff1d(np.arange(len(self.__labels)), ledger.items))
        turn = np.empty(len(items), dtype=np.int64)
        for label in np.unique(self.__labels):
            of_class = self.__labels[items] == label
            turn[of_class] = np.arange(of_class.sum())
        return items[np.argsort(turn, kind="stable")]


def affordable(prices: np.ndarray, allowance: float) -> np.ndarray:
    """(n,) bool: which items are bought by someone who goes down the list and takes whatever still fits."""
    limit = allowance * (1 + ROUNDING)
    if prices.sum() <= limit:
        return np.ones(len(prices), dtype=bool)
    taken, spent = np.zeros(len(prices), dtype=bool), 0.0
    for index, price in enumerate(prices):
        if spent + price <= limit:
            taken[index], spent = True, spent + price
    return taken


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
