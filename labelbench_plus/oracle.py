"""The only door to hidden labels: a query is checked, charged and recorded before anything is revealed."""

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
"""Share of an allowance by which sums of fractional prices may be off without costing a label."""

Settle = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(items, answers) -> what each is charged in the end."""


class QueryError(Exception):
    """A query breaks the contract. The message says what was expected, what came, and the first offenders."""


class AnswersPending(Exception):
    """Questions were handed to somebody who has not answered yet. No error: nothing was charged, revealed or recorded.

    The run is given back as "waiting". Whoever takes it up again makes the same choice, which finds the answers there.

    Parameters
    ----------
    count: how many answers are waited for.
    """

    def __init__(self, count: int) -> None:
        super().__init__(f"waiting for {count} answer{'s' * (count != 1)}")
        self.count = count

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.count,)


class MoneyPending(AnswersPending):
    """Questions were not put, or not all, as answers may cost more than may be paid. What was answered is kept.

    Parameters
    ----------
    count: how many answers are missing.
    money: what they may cost at most, in all.
    limit: what has to be raised: "--pay", or "max_money" of the annotator.
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
    """What the loop asks of a problem's oracle, whatever the family.

    Attributes
    ----------
    kind: of its answers; None where it says so purchase by purchase, or leaves it to what numbers and texts show.
    paid: whether somebody is paid for an answer, or asked who would rather not be asked twice. Checks and replays then
        ask what it `sells`, and never have it answer.
    notes: what the last answers came to, by name: a round's costs hold it.
    """

    kind: AnswerKind | None = None
    paid: bool = False
    notes: Mapping[str, float] = MappingProxyType({})

    def ask_for(self, allowance: float, ledger: Ledger) -> int:
        """How much a strategy is to ask for with `allowance` money: items of a pool, or labels over all sources."""
        raise NotImplementedError

    def questions(self, items: np.ndarray | None = None) -> Sequence[Any] | None:
        """What an annotator whom somebody pays is asked (`contracts.annotators.Asked`), for bills and for the record.

        None where nobody is paid, or where it is not known beforehand, as questions are written during a run.

        Parameters
        ----------
        items: (n,) that it is asked about; all that can be bought if left out.
        """
        return None

    def questions_of(self, purchase: Purchase) -> Sequence[Any] | None:
        """What an annotator whom somebody pays was asked for what a run bought; None where that is not known."""
        return self.questions(purchase.items)

    def sells(self, query: Any, allowance: float, ledger: Ledger) -> tuple[np.ndarray, np.ndarray]:
        """What `answer` would sell, and the most it would cost: items (n, ...) and prices (n,).

        Nothing is revealed, charged or recorded.

        Raises
        ------
        QueryError
            The query breaks the contract.
        """
        raise NotImplementedError

    def answer(self, query: Any, allowance: float, ledger: Ledger) -> None:
        """Check `query`, charge it to `ledger`, record it there with its answers.

        Whatever can be written down is recorded, a purchase of nothing too.

        Raises
        ------
        QueryError
            The query breaks the contract; nothing was charged or revealed.
        AnswerError
            An answer cannot be written down; nothing was charged or recorded.
        AnswersPending
            Somebody has to answer first; nothing was charged or revealed.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class StratifiedDraw:
    """A query that leaves the choice to the oracle: as many items of each class as can be, drawn with `rng`.

    It uses labels that were not bought, so only a first round may ask it, and results say so.
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
    if isinstance(query, Again) and (wrong := found.differences(query.purchase)):
        raise QueryError(f"expected to sell what the run with the proxy bought, but its {', '.join(wrong)} are others")


def is_paid(oracle: Any) -> bool:
    """Whether asking an oracle costs somebody something. A stranger's that says nothing of it costs nobody."""
    return isinstance(oracle, Oracle) and oracle.paid


class ItemOracle(Oracle):
    """Sells answers about items of a pool.

    A query lists items, best first. When prices differ, a strategy cannot know how many fit: it is asked for as many
    as the money could buy at the lowest prices, and the oracle goes down the list buying what still fits.

    Parameters
    ----------
    prices: (N,) what each answer costs at most, positive.
    settle: what is charged in the end where that depends on the answer, from zero to the item's price. The problem then
        declares `settles_prices`.
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
        """(n,) int64, ascending: what can be bought now, everything that was not bought yet.

        An oracle that may be asked about an item again says so here, by keeping it among them.
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
    """Sells the labels of a pool's items, which it holds.

    A query lists items, best first; see `ItemOracle`.

    Parameters
    ----------
    labels: (N, ...) what is revealed on purchase, None in an object array for an item that nobody can answer. Held here
        alone: no view and no training data refers to it.
    prices, settle: see `ItemOracle`; one unit each if left out.
    kind: of the labels; as they show themselves if left out (`answers.inferred`).
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
    """(n,) float64, what was charged, where that is no more than was known before.

    Parameters
    ----------
    charged, most: (n,) the prices in the end, and those the query was checked against.

    Raises
    ------
    ValueError
        A price below zero or above the most it could be.
    """
    prices = np.asarray(charged, dtype=np.float64)
    if prices.shape != most.shape:
        raise ValueError(f"settle: expected a price for each of {len(most)} items, got shape {prices.shape}")
    if len(wrong := np.flatnonzero(~((prices >= 0) & (prices <= most)))):
        first = wrong[0]
        raise ValueError(f"settle: item {items[first]}: expected 0 to {most[first]:g}, got {prices[first]:g}")
    return prices


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
