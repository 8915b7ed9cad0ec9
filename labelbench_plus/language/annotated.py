"""The oracle behind which an annotator answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from labelbench_plus.answers import TEXT
from labelbench_plus.contracts.annotators import Annotator, Asked, Desk, check_asked
from labelbench_plus.inputs.conversations import Conversation
from labelbench_plus.oracle import PoolOracle


class AnnotatedOracle(PoolOracle):
    """Sells an annotator's answers to the prompts of a pool.

    Parameters
    ----------
    references: (N,) what the data say. Held here alone; an annotator that stands in for somebody is told.
    annotator: who answers; the data themselves if left out.
    prompts: (N,) what is asked.
    desk: where questions are put, see `Annotator.ask`.
    """

    def __init__(
        self,
        references: Any,
        prices: np.ndarray | None = None,
        annotator: Annotator | None = None,
        prompts: Sequence[Conversation] = (),
        desk: Desk | None = None,
    ) -> None:
        super().__init__(references, prices, kind=TEXT if annotator is None else check_asked(annotator, "answer"))
        self._annotator, self._prompts, self._desk = annotator, prompts, desk
        self.paid = annotator is not None and annotator.paid

    def questions(self, items: np.ndarray | None = None) -> list[Asked] | None:
        if not self.paid:
            return None
        return [Asked(self._prompts[item]) for item in (range(self.size) if items is None else items.tolist())]

    def reveal(self, items: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        references, answered = super().reveal(items)
        if self._annotator is None:
            return references, answered
        asked = [
            Asked(self._prompts[item], None if self.paid else reference)
            for item, reference in zip(items.tolist(), references, strict=True)
        ]
        desk = None if self._desk is None else replace(self._desk, notes={})
        said = self.kind.held(self._annotator.ask(asked, desk))
        self.notes = {"asked": float(len(asked)), **desk.notes} if desk is not None and self.paid else {}
        return said
