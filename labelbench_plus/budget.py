"""How much may be spent and what was bought. All amounts are in units of budget: a label costs one unless priced."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from labelbench_plus.answers import (
    AnswerError,
    AnswerKind,
    check_unnamed,
    kind_of,
    read_unnamed,
    same,
    shown,
    written,
)

MOST_UNANSWERED = 2**27
"""The most filler values in a purchase, so that a file cannot claim all memory."""


@dataclass(frozen=True)
class Purchase:
    """What one round bought. A file restores it exactly: dtype, shape and text of every answer.

    Attributes
    ----------
    items: what was asked about: (n,) pool indices in the order chosen; for an allocation, (n,) ids of sources or (n, d)
        descriptors of them.
    prices: (n,) price paid for each.
    answers: (n, ...) the answer to each: a label or, for a source, what its oracle returns to identify its labels.
    counts: (n,) labels bought from each source; None where each item is one label.
    asked: for a generated pool, what each item was (canonical JSON), since its number alone means nothing.
    kind: of the answers, which determines how they are held and written (`labelbench_plus.answers`); None if numbers or
        strings are clear without it, or a record names none.
    answered: (n,) bool, False where there is no answer: charged, but nothing to learn from. None if all were answered.
    """

    items: np.ndarray
    prices: np.ndarray
    answers: np.ndarray
    counts: np.ndarray | None = None
    asked: tuple[str, ...] | None = None
    kind: AnswerKind | None = None
    answered: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.kind is not None:
            answers, answered = self.kind.held(self.answers)
        elif self.answers.dtype.kind in "OU":
            answers, answered = _held_unnamed(self.answers)
        else:
            return
        object.__setattr__(self, "answers", answers)
        if answered is not None:
            both = answered if self.answered is None else answered & self.answered
            object.__setattr__(self, "answered", both)

    @property
    def cost(self) -> float:
        return float(self.prices.sum())

    @property
    def labels(self) -> int:
        """How many labels were bought."""
        return len(self.items) if self.counts is None else int(self.counts.sum())

    def at(self, rows: np.ndarray) -> Purchase:
        """The purchase of some of its items, by their positions (m,)."""
        parts = {name: getattr(self, name) for name in ("items", "prices", "answers", "counts", "answered")}
        taken = {name: part[rows] for name, part in parts.items() if part is not None}
        asked = None if self.asked is None else tuple(self.asked[row] for row in rows.tolist())
        return replace(self, **taken, asked=asked)

    def check(self) -> None:
        """Refuse what could not be written and read back.

        Raises
        ------
        AnswerError
            Names the field, the item and the value.
        """
        count = len(self.items)
        for name in ("prices", "answers", "counts", "asked", "answered"):
            value = getattr(self, name)
            if value is not None and len(value) != count:
                raise AnswerError(f"{name}: expected one for each of {count} items, got {len(value)}")
        items = self.items.tolist()
        whole = self.items.dtype.kind in "iu"
        for item in () if whole else items:
            if self.items.dtype.kind != "f" or not np.isfinite(item).all():
                raise AnswerError(f"items: expected whole numbers or finite descriptors, got {shown(item)}")
        for item, price in zip(items, self.prices.tolist(), strict=True):
            if not 0 <= price < np.inf:
                raise AnswerError(f"prices: item {item}: expected at least 0, got {shown(price)}")
        for item, text in zip(items, self.asked or (), strict=self.asked is not None):
            try:
                text.encode()
            except (AttributeError, UnicodeEncodeError) as error:
                raise AnswerError(
                    f"asked: item {item}: expected text that UTF-8 can encode, got {shown(text)}"
                ) from error
        if self.kind is None:
            check_unnamed(self.answers, self.answered, items)
        else:
            self.kind.check(self.answers, self.answered, items)

    def as_json(self) -> dict[str, Any]:
        """Plain values from which `from_json` restores it, without the problem that it was bought from.

        Kind, dtype and shape are included only where the values do not show them; for classes bought from a pool they
        are not.
        """
        record: dict[str, Any] = {
            "items": self.items.tolist(),
            "prices": self.prices.tolist(),
            "answers": written(self.answers, self.answered),
        }
        if self.counts is not None:
            record["counts"] = self.counts.tolist()
        if self.asked is not None:
            record["asked"] = list(self.asked)
        if self.kind is not None and self.kind.named:
            record["kind"] = self.kind.name
        if self.answers.dtype.kind == "f" and self.answers.dtype != np.float64:
            record["dtype"] = self.answers.dtype.name
        nothing = not self.with_answer.any()  # rows of nothing do not show how long they would have been
        unseen = {"items": not self.items.size, "answers": not self.answers.size or nothing}
        fields = {"items": self.items, "answers": self.answers}
        if shapes := {name: list(array.shape) for name, array in fields.items() if array.ndim > 1 and unseen[name]}:
            record["shape"] = shapes
        return record

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Purchase:
        """Build a purchase from `as_json`.

        Raises
        ------
        ValueError
            An unknown kind or dtype, answers that do not match it, or a shape that does not match items or answers.
        """
        kind = kind_of(record["kind"]) if "kind" in record else None
        read = read_unnamed if kind is None else kind.read
        answers, answered = read(record["answers"], record.get("dtype"))
        items = np.asarray(record["items"]) if record["items"] else np.empty(0, dtype=np.int64)
        shape = record.get("shape", {})
        if "items" in shape:
            items = _shaped("items", np.zeros(0), shape["items"], len(record["items"]), nothing=False)
        if "answers" in shape:
            nothing = answered is not None and not answered.any()
            answers = _shaped("answers", answers, shape["answers"], len(record["answers"]), nothing=nothing)
        return cls(
            items,
            np.asarray(record["prices"], dtype=np.float64),
            answers,
            np.asarray(record["counts"], dtype=np.int64) if "counts" in record else None,
            tuple(record["asked"]) if "asked" in record else None,
            kind,
            answered,
        )

    @property
    def with_answer(self) -> np.ndarray:
        """(n,) bool: which items have an answer."""
        return np.ones(len(self.items), dtype=bool) if self.answered is None else self.answered

    def same_answers(self, other: Purchase) -> np.ndarray:
        """(n,) bool: where another purchase has the same answer, or both have none."""
        if len(self.answers) != len(other.answers) or self.answers.dtype != other.answers.dtype:
            return np.zeros(len(self.answers), dtype=bool)
        return same(self.answers, other.answers) & (self.with_answer == other.with_answer)

    def differences(self, other: Purchase) -> list[str]:
        """The fields in which another purchase differs. A kind that is not given counts as the same."""
        wrong = {
            name
            for name in ("items", "prices", "counts", "asked")
            if not np.array_equal(getattr(self, name), getattr(other, name))
        }
        if other.kind not in (None, self.kind):
            wrong.add("kind")
        if not self.same_answers(other).all() or len(self.answers) != len(other.answers):
            wrong.add("answers")
        return sorted(wrong)


def _held_unnamed(answers: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    try:
        return read_unnamed(answers.tolist())
    except ValueError:  # lists of different lengths, which have a kind: `check` says so
        return answers, None


def _shaped(name: str, values: np.ndarray, shape: Any, count: int, *, nothing: bool) -> np.ndarray:
    """An array whose shape its values do not show: empty, or all fillers (`nothing`).

    Raises
    ------
    ValueError
        The record's values have another shape, or there are more than a purchase can hold.
    """
    whole = isinstance(shape, list) and all(isinstance(side, int) and side >= 0 for side in shape)
    if not whole or len(shape) < 2 or shape[0] != count or math.prod(shape) > (MOST_UNANSWERED if nothing else 0):
        raise ValueError(f"shape of {name}: {shape} is not that of {count} rows which do not show theirs")
    return np.full(shape, values.flat[0] if values.size else 0, dtype=values.dtype)


@dataclass
class Ledger:
    """Every purchase of a run, in order. The oracle writes it; everything else reads it."""

    purchases: list[Purchase] = field(default_factory=list)

    def record(self, purchase: Purchase) -> None:
        """Add a purchase.

        Raises
        ------
        AnswerError
            It could not be written and read back; nothing was recorded.
        """
        purchase.check()
        self.purchases.append(purchase)

    @property
    def spent(self) -> float:
        """Budget spent so far."""
        return sum(purchase.cost for purchase in self.purchases)

    @property
    def items(self) -> np.ndarray:
        """(n, ...): what was bought, in order of purchase, answered or not."""
        return _joined(purchase.items for purchase in self.purchases)

    @property
    def answers(self) -> np.ndarray:
        """(n, ...): the answers to `items`, with the kind's filler where there is none."""
        return _joined(purchase.answers for purchase in self.purchases)

    @property
    def answered(self) -> np.ndarray:
        """(n,) bool: which of `items` have an answer."""
        return np.concatenate([p.with_answer for p in self.purchases] or [np.empty(0, dtype=bool)])

    @property
    def answered_items(self) -> np.ndarray:
        """(m, ...): what was bought and answered, so can be learned from."""
        return self.items[self.answered]

    @property
    def answered_answers(self) -> np.ndarray:
        """(m, ...): the answers to `answered_items`."""
        return self.answers[self.answered]


def _joined(parts: Iterable[np.ndarray]) -> np.ndarray:
    """Concatenated arrays. Empty ones determine neither shape nor dtype, unless all are empty."""
    every = list(parts)
    return np.concatenate([part for part in every if len(part)] or every[-1:] or [np.empty(0, dtype=np.int64)])


def allowance(amounts: tuple[float, ...], round_number: int, ledger: Ledger) -> float:
    """What a round may spend: what the schedule has released so far, minus what was spent.

    Unspent budget (items more expensive than what is left) carries over to the next round.
    """
    return sum(amounts[: round_number + 1]) - ledger.spent
