"""Which items of a pool to buy: a vector of pool indices, or a draw that is left to the oracle."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.random import Generator

from labelbench_plus.budget import Ledger, Purchase
from labelbench_plus.contracts.strategies import PoolStrategy
from labelbench_plus.oracle import ItemOracle, Oracle, QueryError, StratifiedDraw, as_items
from labelbench_plus.questions.question import Question
from labelbench_plus.view import PoolView


class ItemsQuestion(Question):
    """Items of a pool, best first."""

    title = "Which pool items to label"
    strategy = PoolStrategy
    view = PoolView
    forms = (StratifiedDraw,)
    not_isolated = ""
    problem = "classification"
    first = "random"
    first_money = 12.0
    money = 8.0
    hand_made = True

    def __init__(self) -> None:
        super().__init__("pool")

    def check(self, query: Any) -> Any:
        return query if isinstance(query, StratifiedDraw) else as_items(query)

    def uses_hidden_labels(self, query: Any) -> bool:
        return isinstance(query, StratifiedDraw)

    def to_wire(self, query: Any) -> dict[str, Any]:
        found = self.check(query)
        return {"drawn_by_oracle": True} if isinstance(found, StratifiedDraw) else {"items": found}

    def from_wire(self, fields: Mapping[str, Any], rng: Generator) -> Any:
        if fields.get("drawn_by_oracle") is True:
            return StratifiedDraw(rng)
        if not isinstance(fields.get("items"), np.ndarray):
            raise QueryError(f"expected a vector of pool indices, got fields {', '.join(sorted(fields))}")
        return fields["items"]

    def repeated(self, purchase: Purchase) -> Any:
        return purchase.items

    def everything(self, oracle: Oracle) -> Purchase | None:
        if not isinstance(oracle, ItemOracle) or oracle.paid:
            return None
        ledger = Ledger()
        if len(oracle.candidates(ledger)) < oracle.size:  # some were handed out: nobody can buy all there is
            return None
        oracle.answer(np.arange(oracle.ask_for(math.inf, ledger)), math.inf, ledger)
        return ledger.purchases[0]
