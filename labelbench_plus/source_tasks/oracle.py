"""The door to the sources' labels: a stream a source, of which a query buys the next so many."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np

from labelbench_plus.answers import DIGEST
from labelbench_plus.budget import Ledger, Purchase
from labelbench_plus.oracle import ROUNDING, Again, Oracle, QueryError, check_again
from labelbench_plus.source_tasks.allocation import Allocation, as_counts
from labelbench_plus.source_tasks.data import Samples
from labelbench_plus.source_tasks.space import Finite, Space

Draw = Callable[[Any, int, int], tuple[np.ndarray, np.ndarray]]
"""(source, first, count) -> inputs and labels of that many blocks of the source's stream, from block `first` on."""


class SourceOracle(Oracle):
    """Sells the labels of sources.

    Every source has a fixed stream of labelled examples: the k-th label bought of it is the same whoever buys it, in
    whatever portions. What was bought is therefore known from the counts alone; the ledger keeps those, and for each
    purchase a digest by which it would show if the stream had changed.

    Parameters
    ----------
    space: where sources come from.
    draw: yields the streams, in blocks of `block` examples, so that no example depends on how many were asked for.
    prices: (S,) of a label of each source; a label costs one unit on a continuous space.
    opening: (S,) what the first purchase from a source costs on top.
    capacity: (S,) labels each source has; without end if left out.
    """

    kind = DIGEST

    def __init__(
        self,
        space: Space,
        draw: Draw,
        block: int,
        prices: np.ndarray | None = None,
        opening: np.ndarray | None = None,
        capacity: np.ndarray | None = None,
    ) -> None:
        self.space = space
        self.__draw, self._block = draw, block
        self.__drawn: dict[int, Samples] = {}
        count = space.size if isinstance(space, Finite) else 0
        self._prices = np.ones(count) if prices is None else prices
        self._opening = np.zeros(count) if opening is None else opening
        self._capacity = np.full(count, np.inf) if capacity is None else capacity.astype(np.float64)

    @property
    def unpriced(self) -> bool:
        """Whether a label costs one unit whatever its source, so that money and labels are the same."""
        return not self._opening.any() and bool((self._prices == 1).all())

    def owned(self, ledger: Ledger) -> dict[int, int]:
        """Labels bought so far of each source, by its key."""
        totals: dict[int, int] = {}
        for purchase in ledger.purchases:
            assert purchase.counts is not None
            for source, count in zip(purchase.items, purchase.counts.tolist(), strict=True):
                key = self.space.key(source)
                totals[key] = totals.get(key, 0) + count
        return totals

    def bought(self, ledger: Ledger) -> np.ndarray:
        """(S,) the same of a finite list."""
        counts = np.zeros(len(self._prices), dtype=np.int64)
        for source, count in self.owned(ledger).items():
            counts[source] = count
        return counts

    def terms(self, ledger: Ledger) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(S,) each: prices, opening prices still to be paid, and labels remaining, of a finite list."""
        bought = self.bought(ledger)
        return self._prices.copy(), np.where(bought > 0, 0.0, self._opening), self._capacity - bought

    def ask_for(self, allowance: float, ledger: Ledger) -> int:
        if not isinstance(self.space, Finite):
            return int(allowance * (1 + ROUNDING))
        prices, _, remaining = self.terms(ledger)
        money, count = allowance * (1 + ROUNDING), 0
        for source in np.argsort(prices, kind="stable"):  # the cheapest first: no allocation buys more labels
            labels = min(money // prices[source], remaining[source])
            money, count = money - labels * prices[source], count + int(labels)
        return count

    def sells(self, query: Any, allowance: float, ledger: Ledger) -> tuple[np.ndarray, np.ndarray]:
        sources, costs, _ = self._checked(query, allowance, ledger)
        return sources, costs

    def answer(self, query: Any, allowance: float, ledger: Ledger) -> None:
        sources, costs, counts = self._checked(query, allowance, ledger)
        owned, digests = self.owned(ledger), []
        for source, count in zip(sources, counts.tolist(), strict=True):
            start = owned.get(self.space.key(source), 0)
            digests.append(_digest(self._stream(source, start + count).labels[start:]))
        purchase = Purchase(sources, costs, np.array(digests, dtype=object), counts, kind=self.kind)
        check_again(query, purchase)
        ledger.record(purchase)

    def _checked(self, query: Any, allowance: float, ledger: Ledger) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The sources of a query that is in order, what they cost, and how many labels of each."""
        asked = query
        if isinstance(query, Again):
            assert query.purchase.counts is not None
            asked = Allocation(query.purchase.items, query.purchase.counts)
        counts = as_counts(asked)
        sources = self.space.check(asked.sources)
        sources, counts = sources[counts > 0], counts[counts > 0]
        costs = counts.astype(np.float64)
        if isinstance(self.space, Finite):
            prices, opening, remaining = self.terms(ledger)
            if len(empty := sources[counts > remaining[sources]]):
                raise QueryError(
                    f"expected at most {remaining[empty[0]]:g} more labels of source {empty[0]}, got "
                    f"{counts[sources == empty[0]][0]}"
                )
            costs = counts * prices[sources] + opening[sources]
        self._check_cost(float(costs.sum()), int(counts.sum()), allowance, ledger)
        return sources, costs, counts

    def sold(self, ledger: Ledger) -> tuple[np.ndarray, tuple[Samples, ...]]:
        """The sources bought from, in the order of their first purchase, and everything bought of each.

        Raises
        ------
        ValueError
            The streams are not those that the ledger's labels were bought from.
        """
        first: dict[int, Any] = {}
        seen: dict[int, int] = {}
        for number, purchase in enumerate(ledger.purchases):
            assert purchase.counts is not None
            for source, count, digest in zip(purchase.items, purchase.counts.tolist(), purchase.answers, strict=True):
                key = self.space.key(source)
                start = seen.get(key, 0)
                if _digest(self._stream(source, start + count).labels[start:]) != digest:
                    raise ValueError(f"round {number}: source {source} no longer gives the labels bought then")
                first.setdefault(key, source)
                seen[key] = start + count
        sources = np.array(list(first.values()))
        return sources, tuple(self._stream(first[key], seen[key]) for key in first)

    def _check_cost(self, cost: float, count: int, allowance: float, ledger: Ledger) -> None:
        expected = self.ask_for(allowance, ledger)
        if self.unpriced:
            if count != expected:
                raise QueryError(f"expected {expected} labels in all, got {count}")
            return
        if cost > allowance * (1 + ROUNDING):
            raise QueryError(f"expected to spend at most {allowance:g}, got labels for {cost:g}")
        prices, opening, remaining = self.terms(ledger)
        left = allowance - cost
        highest = float((prices + opening)[remaining > 0].max(initial=0.0))
        if left >= highest * (1 + ROUNDING) and count < remaining.sum():
            raise QueryError(f"expected less than {highest:g} of {allowance:g} to be left unspent, but {left:g} is")

    def _stream(self, source: Any, count: int) -> Samples:
        """The first `count` examples of a source's stream."""
        key = self.space.key(source)
        drawn = self.__drawn.get(key)
        have = 0 if drawn is None else len(drawn.labels) // self._block
        if drawn is None or len(drawn.labels) < count:
            new = Samples(*self.__draw(source, have, -(-count // self._block) - have))
            if drawn is not None:
                new = Samples(*(np.concatenate([getattr(drawn, part), getattr(new, part)]) for part in _PARTS))
            self.__drawn[key] = drawn = new
        return Samples(drawn.inputs[:count], drawn.labels[:count])


_PARTS = ("inputs", "labels")


def _digest(labels: np.ndarray) -> str:
    return hashlib.blake2b(np.ascontiguousarray(labels, dtype="<f8").tobytes(), digest_size=8).hexdigest()
