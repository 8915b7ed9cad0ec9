"""The loss of supervised fine-tuning, batch by batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from labelbench_plus.language.scoring import token_losses
from labelbench_plus.language.trunk import Trunk

if TYPE_CHECKING:
    from labelbench_plus.language.base import OpenBase
    from labelbench_plus.language.examples import Example, Supervised
    from labelbench_plus.trainers.language._language_trainer import LanguageTrainer
    from labelbench_plus.trainers.language._tuning import Tuning


class Batches:
    """Examples that are learned, some a step."""

    def __init__(
        self, trainer: LanguageTrainer, base: OpenBase, examples: Sequence[Example], supervised: Supervised
    ) -> None:
        self._at_once, self._examples = trainer.at_once, examples
        self._first = [each.first(supervised) for each in examples]
        self._trunk = None
        if trainer.layers is not None:
            with base.computing():
                self._trunk = Trunk(base, trainer.layers, [each.ids for each in examples])

    def step(self, tuning: Tuning, rows: np.ndarray) -> float:
        """Learn from these rows; returns the mean loss over their supervised tokens before it."""
        total = sum(len(self._examples[row].ids) - self._first[row] for row in rows)
        parts = []

        def backward(model: Any) -> None:
            for start in range(0, len(rows), self._at_once):
                some = rows[start : start + self._at_once].tolist()
                loss = self._losses(model, some).sum() / total
                loss.backward()
                parts.append(loss.detach())

        tuning.advance(backward)
        return float(torch.stack(parts).sum())

    def _losses(self, model: Any, rows: list[int]) -> torch.Tensor:
        ids, first = [self._examples[row].ids for row in rows], [self._first[row] for row in rows]
        if self._trunk is None:
            return token_losses(model, ids, first)
        with self._trunk.computed(rows):
            return token_losses(model, ids, first)
