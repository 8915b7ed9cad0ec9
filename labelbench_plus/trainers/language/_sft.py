"""Supervised fine-tuning, batch by batch and step by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from labelbench_plus.language.packing import by_length
from labelbench_plus.language.scoring import BATCH_TOKENS, token_losses
from labelbench_plus.language.trunk import Trunk

if TYPE_CHECKING:
    from labelbench_plus.language.base import OpenBase
    from labelbench_plus.language.examples import Example, Supervised
    from labelbench_plus.language.model import LanguageModel
    from labelbench_plus.trainers.language._language_trainer import LanguageTrainer
    from labelbench_plus.trainers.language._tuning import Tuning


def taught(
    trainer: LanguageTrainer,
    tuning: Tuning,
    examples: Sequence[Example],
    steps: Sequence[np.ndarray],
    supervised: Supervised,
    last: int,
) -> None:
    """Take all steps, and note the `loss`: the mean of the `last` ones."""
    batches = Batches(trainer, tuning.base, examples, supervised)
    with tuning.going_on():
        while tuning.step < len(steps):
            losses = batches.step(tuning, steps[tuning.step])
            if tuning.step > len(steps) - last:
                tuning.notes["loss"] = tuning.notes.get("loss", 0.0) + losses / last
            tuning.keep_if_due()


@torch.no_grad()
def part_losses(model: LanguageModel, examples: Sequence[Example]) -> tuple[float, float]:
    """The mean loss, in nats a token, of the tokens of prompts and of answers."""
    sums, counts = np.zeros(2), np.zeros(2)
    with model.computing() as computed:
        for rows in by_length([len(each.ids) for each in examples], BATCH_TOKENS):
            some = [examples[row] for row in rows.tolist()]
            losses = token_losses(computed, [each.ids for each in some], [1] * len(some)).double().cpu().numpy()
            of_answer = np.concatenate([np.arange(1, len(each.ids)) >= each.prompt for each in some])
            for part, mine in enumerate((~of_answer, of_answer)):
                sums[part] += losses[mine].sum()
                counts[part] += mine.sum()
    prompt_loss, answer_loss = (sums / np.maximum(counts, 1)).tolist()
    return prompt_loss, answer_loss


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
