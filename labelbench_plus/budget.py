"""How much may be spent and what was bought with it. Money throughout: one label costs one unit unless priced."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Purchase:
    """What one round bought.

    Attributes
    ----------
    items: what was asked: (n,) pool indices in the order chosen; of an allocation, (n,) ids of sources or (n, d)
        descriptors of them.
    prices: (n,) money paid for each.
    answers: (n,) what was got for each: a label, or of a source what its oracle leaves to recognise the labels by.
    counts: (n,) labels got from each source; None where each item is one label.
    """

    items: np.ndarray
    prices: np.ndarray
    answers: np.ndarray
    counts: np.ndarray | None = None

    @property
    def cost(self) -> float:
        return float(self.prices.sum())

    @property
    def labels(self) -> int:
        """How many labels were bought."""
        return len(self.items) if self.counts is None else int(self.counts.sum())

    def as_json(self) -> dict[str, list[Any]]:
        record = {
            "items": self.items.tolist(),
            "prices": self.prices.tolist(),
            "answers": self.answers.tolist(),
        }
        return record if self.counts is None else {**record, "counts": self.counts.tolist()}

    @classmethod
    def from_json(cls, record: dict[str, list[Any]]) -> Purchase:
        return cls(
            np.asarray(record["items"]) if record["items"] else np.empty(0, dtype=np.int64),
            np.asarray(record["prices"], dtype=np.float64),
            np.asarray(record["answers"]) if record["answers"] else np.empty(0, dtype=np.int64),
            np.asarray(record["counts"], dtype=np.int64) if "counts" in record else None,
        )


@dataclass
class Ledger:
    """Every purchase of a run, in order. An oracle writes it; everybody else reads it."""

    purchases: list[Purchase] = field(default_factory=list)

    def record(self, purchase: Purchase) -> None:
        self.purchases.append(purchase)

    @property
    def spent(self) -> float:
        """Money spent so far."""
        return sum(purchase.cost for purchase in self.purchases)

    @property
    def items(self) -> np.ndarray:
        """(n, ...): what was bought, in order of purchase."""
        return np.concatenate([p.items for p in self.purchases] or [np.empty(0, dtype=np.int64)])

    @property
    def answers(self) -> np.ndarray:
        """(n,): the answers to `items`."""
        return np.concatenate([p.answers for p in self.purchases] or [np.empty(0, dtype=np.int64)])


def allowance(amounts: tuple[float, ...], round_number: int, ledger: Ledger) -> float:
    """Money available in a round: what the schedule has released so far, less what was spent.

    What a round could not spend (items dearer than its rest) is kept for the next one.
    """
    return sum(amounts[: round_number + 1]) - ledger.spent
