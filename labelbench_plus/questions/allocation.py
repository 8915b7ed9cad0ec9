"""How many labels to buy from which source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.random import Generator

from labelbench_plus.oracle import QueryError
from labelbench_plus.questions.question import Question
from labelbench_plus.source_tasks.allocation import Allocation, as_counts
from labelbench_plus.source_tasks.strategy import SourceStrategy
from labelbench_plus.source_tasks.view import SourceView


class AllocationQuestion(Question):
    """A division of labels over sources."""

    title = "How many labels to buy from which source"
    strategy = SourceStrategy
    view = SourceView
    forms = (Allocation,)
    not_isolated = ""
    problem = "synthetic_sources"
    first = "uniform_sources"
    first_money = 200.0
    money = 200.0

    def __init__(self) -> None:
        super().__init__("sources")

    def check(self, query: Any) -> Allocation:
        counts = as_counts(query)
        return Allocation(np.asarray(query.sources), counts)

    def to_wire(self, query: Any) -> dict[str, Any]:
        found = self.check(query)
        return {"sources": found.sources, "counts": found.counts}

    def from_wire(self, fields: Mapping[str, Any], rng: Generator) -> Allocation:
        sources, counts = fields.get("sources"), fields.get("counts")
        if not isinstance(sources, np.ndarray) or not isinstance(counts, np.ndarray):
            raise QueryError(f"expected an Allocation over sources, got fields {', '.join(sorted(fields))}")
        return Allocation(sources, counts)
