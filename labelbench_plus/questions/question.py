"""What a kind of question says about itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.random import Generator

from labelbench_plus.budget import Purchase
from labelbench_plus.contracts.strategies import Strategy
from labelbench_plus.oracle import Oracle, QueryError
from labelbench_plus.view import View


class Question:
    """A kind of thing that strategies ask and oracles answer.

    As it stands it is a question that third-party plugins brought: everything works that needs to know nothing about
    it. A kind that is known is a subclass.

    Parameters
    ----------
    name: what strategies and problems declare as their `query`; it stands in configs, so it never changes.

    Attributes
    ----------
    title: what is decided, in words.
    strategy: the class its strategies derive from. view: what they are shown.
    forms: classes of a query, beside plain vectors.
    not_isolated: why its strategies cannot choose in a process of their own; empty if they can.
    streamed: whether what strategies need is read while they choose, and not from attributes of the view.
    problem: the registered problem that shows it best; None if there is none.
    first: the registered strategy that makes a first round of it without a model; None if there is none.
    first_money, money: what the first round of an example spends, and each later one.
    hand_made: whether the conformance kit can make its views by hand: odd pools, labels that were not bought.
    """

    title: ClassVar[str] = ""
    strategy: ClassVar[type[Strategy]] = Strategy
    view: ClassVar[type[View]] = View
    forms: ClassVar[tuple[type, ...]] = ()
    not_isolated: ClassVar[str] = "its queries cannot be sent"
    streamed: ClassVar[bool] = False
    problem: ClassVar[str | None] = None
    first: ClassVar[str | None] = None
    first_money: ClassVar[float] = 1.0
    money: ClassVar[float] = 1.0
    hand_made: ClassVar[bool] = False

    def __init__(self, name: str) -> None:
        self.name = name

    def check(self, query: Any) -> Any:
        """A query in the form that oracles read.

        Raises
        ------
        QueryError
            It has another form; the message says what was expected and what came.
        """
        return query

    def uses_hidden_labels(self, query: Any) -> bool:
        """Whether a query leaves the choice to labels that were not bought."""
        return False

    def to_wire(self, query: Any) -> dict[str, Any]:
        """A query as fields of plain values and arrays, for another process.

        Raises
        ------
        QueryError
            It has no such form.
        """
        raise QueryError(f"a query for {self.name!r} cannot be sent to another process: {self.not_isolated}")

    def from_wire(self, fields: Mapping[str, Any], rng: Generator) -> Any:
        """The query that such fields stand for, where `rng` is the generator it was chosen with.

        The fields may come from a stranger: they are taken for numbers alone, and an oracle checks what comes out.

        Raises
        ------
        QueryError
            They stand for none.
        """
        raise QueryError(f"a query for {self.name!r} cannot come from another process: {self.not_isolated}")

    def repeated(self, purchase: Purchase) -> Any | None:
        """A query for exactly what was bought, where that may not be sold twice; None where it may."""
        return None

    def parts(self, oracle: Any, purchase: Purchase) -> tuple[np.ndarray, np.ndarray]:
        """What was chosen (m, ...), best first, and how much of each (m,): enough to tell one choice from another.

        Raises
        ------
        ValueError
            The purchase, which may be third-party, does not say so in a form that can be read.
        """
        counts = np.ones(len(purchase.items), dtype=np.int64) if purchase.counts is None else purchase.counts
        return purchase.items, counts

    def everything(self, oracle: Oracle) -> Purchase | None:
        """All that an oracle would sell for all the money in the world; None if it has no end or cannot be asked."""
        return None
