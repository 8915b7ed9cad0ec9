"""The only access to hidden labels: a query is checked, charged and recorded before anything is revealed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.random import Generator

from labelbench_plus.answers import CLASS, AnswerKind, inferred
from labelbench_plus.budget import Ledger, Purchase

ROUNDING = 1e-9
"""Relative rounding error of summed prices that does not cost a label."""

Settle = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(items, answers) -> the final charge of each."""


class QueryError(Exception):
    """A query breaks the contract. The message says what was expected, what arrived, and the first offenders."""


class AnswersPending(Exception):
    """Questions are waiting for answers. This is not an error: nothing was charged, revealed or recorded.

    The run is released as "waiting". When resumed it makes the same choice, and then finds the answers.

    Parameters
    ----------
    count: how many answers are missing.
    """

    def __init__(self, count: int) -> None:
        super().__init__(f"waiting for {count} answer{'s' * (count != 1)}")
        self.count = count

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.count,)


class MoneyPending(AnswersPending):
    """Some questions were not asked, since answers may cost more than may be paid. Answers that exist are kept.

    Parameters
    ----------
    count: how many answers are missing.
    money: the most that they may cost in total.
    limit: what has to be raised: "--pay", or the annotator's "max_money".
    """

    def __init__(self, count: int, money: float, limit: str) -> None:
        super().__init__(count)
        beyond = "" if limit == "--pay" else f", beyond its {limit}"
        answers = f"{count} answer{'s' * (count != 1)} may cost up to {money:.4g} more{beyond}"
        self.args = (f"waiting for money: {answers}",)
        self.money, self.limit = money, limit

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.count, self.money, self.limit)


class Oracle:
    """What the loop needs of a problem's oracle in any family.

    Attributes
    ----------
    kind: of its answers; None if each purchase has its own, or numbers and texts are clear without it.
    paid: whether an answer costs money or a person's time. Checks and replays then use `sells`, and never have it
        answer.
    notes: what the last answers cost, by name; kept with the round's costs.
    """

    kind: AnswerKind | None = None
    paid: bool = False
    notes: Mapping[str, float] = MappingProxyType({})

    def ask_for(self, allowance: float, ledger: Ledger) -> int:
        """How much a strategy should ask for within `allowance`: items of a pool, or labels over all sources."""
        raise NotImplementedError

    def questions(self, items: np.ndarray | None = None) -> Sequence[Any] | None:
        """What a paid annotator is asked (`contracts.annotators.Asked`), for bills and records.

        None if nobody is paid, or if questions are written during a run and unknown beforehand.

        Parameters
        ----------
        items: (n,) that it is asked about; by default all that can be bought.
        """
        return None

    def questions_of(self, purchase: Purchase) -> Sequence[Any] | None:
        """What a paid annotator was asked for the purchases of a run; None if unknown."""
        return self.questions(purchase.items)

    def sells(self, query: Any, allowance: float, ledger: Ledger) -> tuple[np.ndarray, np.ndarray]:
        """What `answer` would sell, and the most that it would cost: items (n, ...) and prices (n,).

        Nothing is revealed, charged or recorded.

        Raises
        ------
        QueryError
            The query breaks the contract.
        """
        raise NotImplementedError

    def answer(self, query: Any, allowance: float, ledger: Ledger) -> None:
        """Check `query`, charge it to `ledger`, and record it there with its answers.

        Everything that can be written is recorded, even an empty purchase.

        Raises
        ------
        QueryError
            The query breaks the contract; nothing was charged or revealed.
        AnswerError
            An answer cannot be written; nothing was charged or recorded.
        AnswersPending
            Answers are still to come; nothing was charged or revealed.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class StratifiedDraw:
    """A query that leaves the choice to the oracle: equal numbers of each class where possible, drawn with `rng`.

    It uses labels that were not bought, so only a first round may use it, and results say so.
    """

    rng: Generator


@dataclass(frozen=True)
class Again:
    """A query for what another run bought in a round: how a run learns from labels chosen under another trainer.

    It is answered only if item, price and answer are exactly those of that run.
    """

    purchase: Purchase


def check_again(query: Any, found: Purchase) -> None:
    """Refuse to sell again what has changed.

    Raises
    ------
    QueryError
        `query` is an `Again`, and `found`, which is about to be recorded, differs from it.
    """
    if isinstance(query, Again) and (wrong := found.differences(query.purchase)):
        raise QueryError(f"expected to sell what the run with the proxy bought, but its {', '.join(wrong)} are others")


def is_paid(oracle: Any) -> bool:
    """Whether asking an oracle costs money or a person's time. A third-party one that does not say costs nobody."""
    return isinstance(oracle, Oracle) and oracle.paid


class ItemOracle(Oracle):
    """Sells answers about items of a pool.

    A query lists items, best first. When prices differ, a strategy cannot know how many fit: it is asked for as many
    as the allowance could buy at the lowest prices, and the oracle buys from the top of the list what still fits.

    Parameters
    ----------
    prices: (N,) the most that each answer can cost, positive.
    settle: the final charge where it depends on the answer, from zero to the item's price. The problem then declares
        `settles_prices`.
    """

    def __init__(self, prices: np.ndarray, settle: Settle | None = None) -> None:
        self._prices, self._settle = prices.astype(np.float64), settle

    @property
    def size(self) -> int:
        """How many items the pool has, bought or not."""
        return len(self._prices)

    def reveal(self, items: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Answers (n, ...) to items (n,), and which of them were answered: (n,) bool, None for all."""
        raise NotImplementedError

    def candidates(self, ledger: Ledger) -> np.ndarray:
        """(n,) int64, ascending: what can be bought now, by default everything not bought yet.

        An oracle that can be asked about an item again keeps it among them.
        """
        left = np.ones(len(self._prices), dtype=bool)
        left[ledger.items] = False
        return np.flatnonzero(left)

    def ask_for(self, allowance: float, ledger: Ledger) -> int:
        left = np.sort(self._prices[self.candidates(ledger)])
        return int(np.searchsorted(np.cumsum(left), allowance * (1 + ROUNDING), side="right"))

    def sells(self, query: Any, allowance: float, ledger: Ledger) -> tuple[np.ndarray, np.ndarray]:
        candidates = self.candidates(ledger)
        if isinstance(query, StratifiedDraw):
            query = self._stratified(query.rng, candidates)[: self.ask_for(allowance, ledger)]
        if isinstance(query, Again):  # fewer expensive items were bought than requested
            items, expected = query.purchase.items, len(query.purchase.items)
        else:
            items, expected = as_items(query), self.ask_for(allowance, ledger)
        check_items(items, expected, len(self._prices), np.setdiff1d(ledger.items, candidates))
        if len(others := items[~np.isin(items, candidates)]):
            raise QueryError(f"expected items that can be bought now, but {_first(others)} cannot")
        items = items[affordable(self._prices[items], allowance)]
        return items, self._prices[items]

    def answer(self, query: Any, allowance: float, ledger: Ledger) -> None:
        items, prices = self.sells(query, allowance, ledger)
        answers, answered = self.reveal(items)
        if self._settle is not None:
            prices = settled(self._settle(items, answers), prices, items)
        purchase = Purchase(items, prices, answers, kind=self.kind, answered=answered)
        check_again(query, purchase)
        ledger.record(purchase)

    def _stratified(self, rng: Generator, candidates: np.ndarray) -> np.ndarray:
        """Everything that can be bought, classes taking turns."""
        raise QueryError("expected items: only an oracle that holds classes draws by class")


class PoolOracle(ItemOracle):
    """Sells the labels of a pool's items, which it stores.

    A query lists items, best first; see `ItemOracle`.

    Parameters
    ----------
    labels: (N, ...) what a purchase reveals, None in an object array for an item without an answer. Only stored here:
        no view and no training data refers to it.
    prices, settle: see `ItemOracle`; one unit each by default.
    kind: of the labels; inferred from them by default (`answers.inferred`).
    """

    kind: AnswerKind

    def __init__(
        self,
        labels: Any,
        prices: np.ndarray | None = None,
        *,
        kind: AnswerKind | None = None,
        settle: Settle | None = None,
    ) -> None:
        super().__init__(np.ones(len(labels)) if prices is None else prices, settle)
        self.kind = inferred(labels) if kind is None else kind
        self.__labels, self._answered = self.kind.held(labels)

    def reveal(self, items: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        answered = None if self._answered is None or self._answered[items].all() else self._answered[items]
        return self.__labels[items], answered

    def _stratified(self, rng: Generator, candidates: np.ndarray) -> np.ndarray:
        """Everything that can be bought, classes taking turns, in random order within a class and a turn."""
        if self.kind is not CLASS or self.__labels.ndim > 1:
            raise QueryError(f"expected items: a draw by class needs classes, and answers here are {self.kind.name!r}")
        if self.paid:
            raise QueryError("expected items: a draw by class asks for all answers, and somebody is paid for these")
        items = rng.permutation(candidates)
        turn = np.empty(len(items), dtype=np.int64)
        for label in np.unique(self.__labels):
            of_class = self.__labels[items] == label
            turn[of_class] = np.arange(of_class.sum())
        if self._answered is not None:
            turn[~self._answered[items]] = len(items)  # nobody knows their class: they come last
        return items[np.argsort(turn, kind="stable")]


def settled(charged: np.ndarray, most: np.ndarray, items: np.ndarray) -> np.ndarray:
    """(n,) float64, the final charges, if none exceeds the price known before.

    Parameters
    ----------
    charged, most: (n,) the final prices, and those that the query was checked against.

    Raises
    ------
    ValueError
        A price below zero or above its maximum.
    """
    prices = np.asarray(charged, dtype=np.float64)
    if prices.shape != most.shape:
        raise ValueError(f"settle: expected a price for each of {len(most)} items, got shape {prices.shape}")
    if len(wrong := np.flatnonzero(~((prices >= 0) & (prices <= most)))):
        first = wrong[0]
        raise ValueError(f"settle: item {items[first]}: expected 0 to {most[first]:g}, got {prices[first]:g}")
    return prices


def affordable(prices: np.ndarray, allowance: float) -> np.ndarray:
    """(n,) bool: the items bought by going down the list and taking whatever still fits."""
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
