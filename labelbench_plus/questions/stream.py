"""Which pairs of a stream to keep."""

from __future__ import annotations

from typing import Any

import numpy as np

from labelbench_plus.budget import Ledger, Purchase
from labelbench_plus.oracle import QueryError
from labelbench_plus.pairs.strategy import PairStrategy
from labelbench_plus.pairs.view import Chosen, PairView
from labelbench_plus.questions.question import Question


class StreamQuestion(Question):
    """Pairs, shard by shard, of a pool that is never in memory as a whole."""

    title = "Which image-text pairs to keep"
    strategy = PairStrategy
    view = PairView
    forms = (Chosen,)
    not_isolated = "they read their pool while they choose"
    streamed = True
    problem = "linear_alignment"
    first = "random_pairs"
    first_money = 40.0
    money = 40.0

    def __init__(self) -> None:
        super().__init__("pairs")

    def parts(self, oracle: Any, purchase: Purchase) -> tuple[np.ndarray, np.ndarray]:
        rows = np.flatnonzero(np.concatenate(oracle.bought(Ledger([purchase]))))  # a purchase lists shards
        return rows, np.ones(len(rows), dtype=np.int64)

    def check(self, query: Any) -> Chosen:
        if not isinstance(query, Chosen):
            raise QueryError(f"expected a choice of pairs (view.best), got {type(query).__name__}")
        return query
