"""The oracle behind which an annotator says of which class an item is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from labelbench_plus.answers import CLASS
from labelbench_plus.budget import Ledger
from labelbench_plus.contracts.annotators import Annotator, Asked, Desk, check_asked
from labelbench_plus.oracle import ItemOracle


class AskedClasses(ItemOracle):
    """Sells what an annotator says of the items of a pool: one of the classes, or nothing.

    Parameters
    ----------
    prices: (N,) of what an answer takes of the budget, see `ItemOracle`.
    annotator, desk: who is asked, and where.
    classes: their names, of which an answer is one.
    question: what is asked about an item.
    references: (N,) classes as the data say, for annotators that stand in for somebody; -1 and below where they say
        nothing. Held here alone.
    given: (m,) items whose classes everybody was handed: nobody can buy them.
    """

    kind = CLASS

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
        check_asked(annotator, "answer")
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
        number = {name: number for number, name in enumerate(self._classes)}
        return self.kind.held([None if name is None else number.get(name) for name in said])

    def _asked(self, item: int) -> Asked:
        label = self.__references[item]
        known = self._classes[label] if label >= 0 and not self.paid else None
        return replace(self._question(item), reference=known, classes=self._classes)


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
