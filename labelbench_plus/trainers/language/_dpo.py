"""Pairs of responses, and the steps down their loss."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from labelbench_plus.algorithms.preference_losses import pair_losses
from labelbench_plus.inputs.conversations import Conversation, Demonstration
from labelbench_plus.language.examples import Example, examples, plan
from labelbench_plus.language.model import LanguageModel
from labelbench_plus.language.policy import Policy, Reward
from labelbench_plus.language.rewards import Implicit, as_state
from labelbench_plus.language.scoring import log_probabilities, token_losses
from labelbench_plus.language.trunk import Trunk
from labelbench_plus.trainers.language._stages import Stage
from labelbench_plus.trainers.language._tuning import Tuning

if TYPE_CHECKING:
    from labelbench_plus.language.base import OpenBase
    from labelbench_plus.language.judged import Judged
    from labelbench_plus.language.preference_data import PreferenceData
    from labelbench_plus.seeding import Streams
    from labelbench_plus.trainers._kept import Keeper


POLICY = "policy"  # the stage in which the policy is tuned, where something was learned before


@dataclass(frozen=True)
class Pair:
    """Two responses to a prompt, of which the first is better."""

    prompt: Conversation
    better: str
    worse: str


@dataclass(frozen=True)
class Pairs:
    """What is learned from.

    Attributes
    ----------
    pairs: of different responses.
    ties: how many were dropped as nothing said which is better, or as both were the same.
    reward: what the tuned policy takes to be good; None for what DPO makes of it.
    notes: numbers about it.
    came_to: what finding it came to, which is kept while the policy is tuned; None if it is found again at once.
    """

    pairs: Sequence[Pair]
    ties: int = 0
    reward: Reward | None = None
    notes: Mapping[str, float] = field(default_factory=dict)
    came_to: Mapping[str, Any] | None = None


def of_judged(judged: Sequence[Judged]) -> Pairs:
    """The pairs that were judged, and of responses with scores all pairs of one prompt."""
    found: list[Pair] = []
    ties = 0
    scored: dict[Conversation, list[tuple[str, float]]] = {}
    for each in judged:
        if len(each.responses) == 1:
            scored.setdefault(each.prompt, []).append((each.responses[0], each.verdict))
        else:
            first, second = each.responses
            ties += not _add(found, each.prompt, first, second, each.verdict)
    for prompt, some in scored.items():
        for place, (second, high) in enumerate(some):
            for first, low in some[:place]:
                ties += not _add(found, prompt, first, second, high - low)
    return Pairs(found, ties)


def best_against_worst(prompts: Sequence[Conversation], texts: Sequence[Sequence[str]], scores: np.ndarray) -> Pairs:
    """Of each prompt the response with the highest score against that with the lowest; the first of equals.

    Parameters
    ----------
    scores: (n, k) of the texts of n prompts.
    """
    found: list[Pair] = []
    ties = 0
    for prompt, some, row in zip(prompts, texts, scores, strict=True):
        low, high = int(row.argmin()), int(row.argmax())
        ties += not _add(found, prompt, some[low], some[high], float(row[high] - row[low]))
    return Pairs(found, ties)


def _add(found: list[Pair], prompt: Conversation, first: str, second: str, verdict: float) -> bool:
    if verdict == 0 or first == second:
        return False
    found.append(Pair(prompt, second, first) if verdict > 0 else Pair(prompt, first, second))
    return True


def as_policy(model: LanguageModel, reward: Reward | None) -> Policy:
    """A model with an opinion of its own."""
    return Policy(**{each.name: getattr(model, each.name) for each in fields(LanguageModel)}, reward=reward)


def tuned(trainer: Any, data: PreferenceData, streams: Streams, keeper: Keeper) -> Policy:
    """The policy after all steps of a `PreferenceTrainer`, from where `keeper` left off."""
    given = trainer.pairs(data, streams, keeper)
    notes = {"pairs": float(len(given.pairs)), "ties": float(given.ties), **given.notes}
    reward = given.reward or Implicit(trainer.beta)
    if not given.pairs or not trainer.steps:
        return Policy(data.base, data.template, notes={**notes, "steps": 0.0}, reward=reward)
    batches = PairBatches(trainer, data, given.pairs)
    epochs = math.ceil(trainer.steps / math.ceil(len(given.pairs) / trainer.batch))
    steps = plan(batches.lengths, trainer.batch, epochs, streams.rng("data_order"))[: trainer.steps]
    keeps = keeper if given.came_to is None else Stage(keeper, POLICY, given.came_to)
    tuning = Tuning(trainer, data.base, data.template, streams, keeps, len(steps))
    last = max(1, len(steps) // 10)
    with tuning.going_on():
        while tuning.step < len(steps):
            found = batches.step(tuning, steps[tuning.step])
            if tuning.step > len(steps) - last:
                for name, value in found.items():
                    tuning.notes[name] = tuning.notes.get(name, 0.0) + value / last
            tuning.keep_if_due()
    read = sum(batches.lengths[row] for rows in steps for row in rows.tolist())
    tuning.notes.update(notes, steps=float(len(steps)), train_tokens=float(read))
    state = as_state(reward)
    model = tuning.done(reward=state)
    if keeps is not keeper:  # what is done is kept as a whole
        keeper.keep({"learned": tuning.learned(), "notes": tuning.notes, "reward": state})
    return as_policy(model, reward)


class PairBatches:
    """Pairs that are learned, some a step. What the reference says of them is computed once."""

    def __init__(self, trainer: Any, data: PreferenceData, pairs: Sequence[Pair]) -> None:
        self._trainer = trainer
        form = LanguageModel(data.base, data.template).format
        said = [Demonstration(each.prompt, text) for each in pairs for text in (each.better, each.worse)]
        self._examples = examples(form, said, min(trainer.max_tokens, data.base.context))
        self._reference = _log_probabilities(data.base, self._examples)
        self._trunk = None
        if trainer.layers is not None:
            with data.base.computing():
                self._trunk = Trunk(data.base, trainer.layers, [each.ids for each in self._examples])

    @property
    def lengths(self) -> list[int]:
        """Tokens of each pair."""
        each = [len(example.ids) for example in self._examples]
        return [better + worse for better, worse in zip(each[::2], each[1::2], strict=True)]

    def step(self, tuning: Tuning, rows: np.ndarray) -> dict[str, float]:
        """Learn from these pairs; returns the means of their loss and margin before it."""
        found: dict[str, float] = {"loss": 0.0, "margin": 0.0}
        size = self._trainer.at_once // 2
        tokens = sum(self._answer(2 * row) for row in rows.tolist())

        def backward(model: Any) -> None:
            for start in range(0, len(rows), size):
                loss, margin = self.losses(model, rows[start : start + size].tolist(), len(rows), tokens)
                loss.backward()
                found["loss"] += float(loss.detach())
                found["margin"] += float(margin) / len(rows)

        tuning.advance(backward)
        return found

    def losses(self, model: Any, pairs: Sequence[int], count: int, tokens: int) -> tuple[Tensor, Tensor]:
        """The share of these pairs in a step's loss, and the sum of their margins.

        Parameters
        ----------
        count, tokens: pairs of the whole step, and tokens of their better responses.
        """
        rows = [2 * pair + side for side in (0, 1) for pair in pairs]
        some = [self._examples[row] for row in rows]
        said = self._token_losses(model, rows, some)
        each = said.split([self._answer(row) for row in rows])
        gained = -torch.stack([part.sum() for part in each]) - self._reference[rows].to(said)
        better, worse = gained[: len(pairs)], gained[len(pairs) :]
        loss = pair_losses(better, worse, self._trainer.beta, self._trainer.loss).sum() / count
        if self._trainer.sft:
            loss = loss + self._trainer.sft * torch.cat(each[: len(pairs)]).sum() / tokens
        return loss, (better - worse).detach().sum()

    def _token_losses(self, model: Any, rows: list[int], some: Sequence[Example]) -> Tensor:
        ids, first = [each.ids for each in some], [each.prompt for each in some]
        if self._trunk is None:
            return token_losses(model, ids, first)
        with self._trunk.computed(rows):
            return token_losses(model, ids, first)

    def _answer(self, row: int) -> int:
        """Tokens of a response."""
        return len(self._examples[row].ids) - self._examples[row].prompt


def _log_probabilities(base: OpenBase, found: Sequence[Example]) -> Tensor:
    """(n,) float64, what the reference says of these responses."""
    with base.computing():
        prompts = [each.ids[: each.prompt] for each in found]
        return log_probabilities(base.model, prompts, [each.ids[each.prompt :] for each in found])
