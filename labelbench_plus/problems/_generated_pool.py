"""The oracle of a pool that a policy draws."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from labelbench_plus.budget import Ledger, Purchase
from labelbench_plus.contracts.annotators import Annotator, Asked, Desk, Wanted, check_asked
from labelbench_plus.language.judged import read, written
from labelbench_plus.oracle import ROUNDING, Again, Oracle, QueryError, as_items, check_again, check_items


class GeneratedPoolOracle(Oracle):
    """Sells an annotator's judgements of generated responses, and records of each what it was about.

    A number means nothing where the text is not: whoever reads the ledger reads `asked`, and needs no policy. Nobody
    can ask it for all it knows, as responses are drawn again the same on one machine at best.

    Parameters
    ----------
    annotator, wants: who is asked, and what for.
    size: items of a block.
    asked: the questions about items (n,), of the block that is on sale; drawn now if nobody has looked at it.
    references: (n,) what the data say to questions, for annotators that stand in for somebody. Held here alone.
    beyond: items after the first `size`, which can be bought too, but are no candidates: what another policy wrote.
    given: items that everybody was handed the judgements of.
    refresh: whether each round has a block of its own. Then item `size` · round + place is asked about in its round
        alone.
    desk: where questions are put, see `Annotator.ask`.
    """

    def __init__(
        self,
        annotator: Annotator,
        wants: Wanted,
        size: int,
        asked: Callable[[np.ndarray], list[Asked]],
        references: Callable[[Sequence[Asked]], list[str | None]],
        *,
        beyond: int = 0,
        given: np.ndarray | None = None,
        refresh: bool = False,
        desk: Desk | None = None,
    ) -> None:
        self.kind, self.paid = check_asked(annotator, wants), annotator.paid
        self._annotator, self._size, self._asked, self._references = annotator, size, asked, references
        self._beyond, self._refresh, self._desk = beyond, refresh, desk
        self._given = np.empty(0, dtype=np.int64) if given is None else given

    def questions_of(self, purchase: Purchase) -> list[Asked] | None:
        return [read(text) for text in purchase.asked or ()] if self.paid else None

    def candidates(self, ledger: Ledger) -> np.ndarray:
        """(n,) int64, ascending: what the policy wrote and can be bought now."""
        start = self._size * len(ledger.purchases) if self._refresh else 0
        return self._left(np.arange(start, start + self._size), ledger)

    def beyond(self, ledger: Ledger) -> np.ndarray:
        """(m,) int64, ascending: what another policy wrote and can be bought now."""
        return self._left(np.arange(self._size, self._size + self._beyond), ledger)

    def _left(self, items: np.ndarray, ledger: Ledger) -> np.ndarray:
        return np.setdiff1d(items, np.concatenate([self._given, ledger.items.astype(np.int64)]))

    def ask_for(self, allowance: float, ledger: Ledger) -> int:
        most = len(self.candidates(ledger))
        return most if math.isinf(allowance) else min(most, int(allowance * (1 + ROUNDING)))

    def sells(self, query: Any, allowance: float, ledger: Ledger) -> tuple[np.ndarray, np.ndarray]:
        again = isinstance(query, Again)
        items = query.purchase.items if again else as_items(query)
        on_sale = np.concatenate([self.candidates(ledger), self.beyond(ledger)])
        check_items(
            items,
            len(items) if again else self.ask_for(allowance, ledger),
            int(on_sale.max(initial=-1)) + 1,
            np.concatenate([ledger.items.astype(np.int64), self._given]),
        )
        if len(others := items[~np.isin(items, on_sale)]):
            raise QueryError(f"expected items that can be bought now, but {others[:5].tolist()} cannot")
        if (cost := float(len(items))) > allowance * (1 + ROUNDING):
            raise QueryError(f"expected items for {allowance:g}, but {len(items)} cost {cost:g}")
        return items, np.ones(len(items))

    def answer(self, query: Any, allowance: float, ledger: Ledger) -> None:
        items, prices = self.sells(query, allowance, ledger)
        if isinstance(query, Again) and query.purchase.asked is not None:
            asked = [read(text) for text in query.purchase.asked]  # nothing is drawn for it
        else:
            asked = self._asked(items)
        answers, answered = self._judged(asked)
        purchase = Purchase(items, prices, answers, asked=tuple(map(written, asked)), kind=self.kind, answered=answered)
        check_again(query, purchase)
        ledger.record(purchase)

    def _judged(self, asked: Sequence[Asked]) -> tuple[np.ndarray, np.ndarray | None]:
        assert self.kind is not None
        if not self.paid:
            told = self._references(asked)
            asked = [replace(each, reference=said) for each, said in zip(asked, told, strict=True)]
        desk = None if self._desk is None else replace(self._desk, notes={})
        found = self.kind.held(self._annotator.ask(asked, desk))
        self.notes = {"asked": float(len(asked)), **desk.notes} if desk is not None and self.paid else {}
        return found
