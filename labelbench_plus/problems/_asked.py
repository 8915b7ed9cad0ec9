"""What problems have in common whose labels are the data's, unless somebody else is asked for them."""

from __future__ import annotations

import hashlib
from typing import ClassVar

import numpy as np

from labelbench_plus.answering.class_oracle import AskedClasses, asked_for, question_about
from labelbench_plus.contracts.annotators import Annotator, annotators, check_asked
from labelbench_plus.contracts.datasets import UNKNOWN
from labelbench_plus.features.encoded import load
from labelbench_plus.plugins import label
from labelbench_plus.problems import Place
from labelbench_plus.problems._of_dataset import OfDataset


class OfAskedDataset(OfDataset):
    """Base of problems that have an `annotator` too.

    Attributes
    ----------
    several: whether any number of classes may be true of an item.
    """

    several: ClassVar[bool] = False

    annotator: Annotator

    @property
    def asks_data(self) -> bool:
        """Whether labels are those of the data."""
        return self.annotator == annotators.build("stored")

    def fingerprint(self) -> str:
        told = self.annotator.fingerprint()
        return (
            hashlib.sha256(f"{super().fingerprint()}\n{told}".encode()).hexdigest() if told else super().fingerprint()
        )

    def is_scored(self) -> bool:
        return len(load(self.dataset).test.labels) > 0

    def facets(self) -> dict[str, str]:
        return super().facets() if self.asks_data else {**super().facets(), "expert": label(self.annotator)}

    def check_annotator(self) -> None:
        """Refuse an annotator who cannot be asked about these data, and data that lack labels where nobody is asked.

        Raises
        ------
        ValueError
            Says what would be right.
        """
        pool = load(self.dataset).pool
        if not self.asks_data:
            check_asked(self.annotator, asked_for(several=self.several))
            question_about(pool.inputs, 0)
        elif missing := int(unlabelled(pool.labels).sum()):
            raise ValueError(
                f"data set {label(self.dataset)!r} has no labels for {missing} of its items: name who is asked for "
                f"them, e.g. annotator: {'{name: queue, label: labels}' if self.several else 'queue'}"
            )

    def asking(
        self, place: Place, prices: np.ndarray, classes: tuple[str, ...], references: np.ndarray, rows: np.ndarray
    ) -> AskedClasses:
        """The oracle behind which the annotator is.

        Parameters
        ----------
        references: (N,) or (N, K), what the data say. rows: (N,) of the data's pool, which these items are.
        """
        inputs = load(self.dataset).pool.inputs
        return AskedClasses(
            prices,
            self.annotator,
            place.desk(),
            classes,
            lambda item: question_about(inputs, int(rows[item])),
            references,
            given(references),
        )


def unlabelled(labels: np.ndarray) -> np.ndarray:
    """(N,) bool: of which items nobody knows the labels (N,) or (N, K)."""
    return np.asarray((labels == UNKNOWN).reshape(len(labels), -1).any(axis=1))


def given(labels: np.ndarray) -> np.ndarray:
    """(m,) int64, the items whose labels everybody is handed: where some have none, all those that have."""
    unknown = unlabelled(labels)
    return np.flatnonzero(~unknown) if unknown.any() else np.empty(0, np.int64)
