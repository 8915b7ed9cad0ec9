"""The oracle behind which an annotator says of which class an item is, or which are true of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from labelbench_plus.answers import CLASS, LABELS, AnswerKind
from labelbench_plus.budget import Ledger
from labelbench_plus.contracts.annotators import Annotator, Asked, Desk, Wanted, check_asked, listed, unlisted
from labelbench_plus.oracle import ItemOracle


class AskedClasses(ItemOracle):
    """Sells what an annotator says of the items of a pool: one of the classes, or all that are true; or nothing.

    Parameters
    ----------
    prices: (N,) of what an answer takes of the budget, see `ItemOracle`.
    annotator, desk: who is asked, and where.
    classes: their names.
    question: what is asked about an item.
    references: (N,) classes as the data say, or (N, K) 0 or 1 where any number may be true, for annotators that stand
        in for somebody; -1 and below where they say nothing. Held here alone.
    given: (m,) items whose classes everybody was handed: nobody can buy them.
    """

    kind: AnswerKind

    def __init__(
        self,
        prices: np.ndarray,
        annotator: Annotator,
        desk: Desk | None,
        classes: Sequence[str],
        question: Callable[[int], Asked],
        references: np.ndarray,
        given: np.ndarray,
    ) -> None:
        super().__init__(prices)
        self._several = references.ndim == 2
        check_asked(annotator, asked_for(several=self._several))
        self.kind = LABELS if self._several else CLASS
        self.paid = annotator.paid
        self._annotator, self._desk, self._question, self._given = annotator, desk, question, given
        self._classes, self.__references = tuple(classes), references

    def candidates(self, ledger: Ledger) -> np.ndarray:
        return np.setdiff1d(super().candidates(ledger), self._given)

    def questions(self, items: np.ndarray | None = None) -> Sequence[Asked] | None:
        if not self.paid:
            return None
        return [self._asked(item) for item in (self.candidates(Ledger()) if items is None else items).tolist()]

    def reveal(self, items: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        desk = None if self._desk is None else replace(self._desk, notes={})
        said = self._annotator.ask([self._asked(item) for item in items.tolist()], desk)
        self.notes = {"asked": float(len(said)), **desk.notes} if desk is not None and self.paid else {}
        return self.kind.held([None if answer is None else self._understood(answer) for answer in said])

    def _understood(self, answer: str) -> int | tuple[int, ...] | None:
        """The number of a class, or of those that are true; None of what names none."""
        number = {name: number for number, name in enumerate(self._classes)}
        if not self._several:
            return number.get(answer)
        names = set(unlisted(answer))
        return tuple(sorted(number[name] for name in names)) if names <= number.keys() else None

    def _asked(self, item: int) -> Asked:
        label, known = self.__references[item], None
        if not self.paid and (label >= 0).all():
            names = [self._classes[each] for each in np.flatnonzero(label)] if self._several else []
            known = listed(self._classes, names) if self._several else self._classes[label]
        return replace(self._question(item), reference=known, classes=self._classes, several=self._several)


def asked_for(*, several: bool) -> Wanted:
    """What an annotator is asked for about an item of which one class is true, or `several`."""
    return "labels" if several else "answer"


def question_about(inputs: object, item: int) -> Asked:
    """What is asked about one of a data set's inputs: a text itself, or an image.

    Raises
    ------
    ValueError
        It is neither, so that nobody can look at it.
    """
    from labelbench_plus.contracts.annotators import Picture
    from labelbench_plus.inputs.image_files import ImageFiles, is_images
    from labelbench_plus.inputs.texts import Texts

    if isinstance(inputs, Texts):
        return Asked(inputs[item])
    if isinstance(inputs, ImageFiles):
        return Asked(ABOUT_IMAGE, picture=Picture(lambda: inputs.decode(item)))
    if is_images(inputs):
        return Asked(ABOUT_IMAGE, picture=Picture(lambda: inputs[item]))
    raise ValueError("an annotator is asked about images or texts, and the data set's inputs are neither")


ABOUT_IMAGE = "What is it?"
