"""A policy at its test: what an expert says of its responses to prompts that nothing was learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np

from labelbench_plus.contracts.annotators import Annotator, Asked
from labelbench_plus.contracts.prompts import TestItem
from labelbench_plus.contracts.scores import Scored
from labelbench_plus.language.comparables import DrawnBlock
from labelbench_plus.language.options import Decoding
from labelbench_plus.language.policy import Policy
from labelbench_plus.language.quality import distinct, validity
from labelbench_plus.seeding import Streams


@dataclass(frozen=True, eq=False)
class PreferenceTest:
    """Held-out prompts with the reference's responses, which the expert has scored.

    Parameters
    ----------
    reference: k responses of the policy of the seed to each prompt.
    judge: gives scores, and is not paid for it.
    """

    items: tuple[TestItem, ...]
    reference: DrawnBlock
    judge: Annotator
    decoding: Decoding
    streams: Streams

    @cached_property
    def scores(self) -> np.ndarray:
        """(n, k) what the expert says of the reference's responses."""
        block = self.reference
        asked = [block.single(row) for row in range(len(block.responses))]
        return self._judged(asked).reshape(len(self.items), -1)

    @cached_property
    def lengths(self) -> np.ndarray:
        """(n, k) tokens of the reference's responses."""
        return self._tokens([each.text for each in self.reference.responses]).reshape(len(self.items), -1)

    def score(self, model: Policy) -> Scored:
        """What the policy's responses, one per prompt, are worth, and how well its reward orders the reference's."""
        prompts = [item.prompt.said for item in self.items]
        written = model.generate(
            prompts, self.decoding, [self.streams.rng(f"test response {row}") for row in range(len(prompts))]
        )
        asked = [Asked(prompt, None, (text,)) for prompt, text in zip(prompts, written.texts, strict=True)]
        found, tokens = self._judged(asked), self._tokens(written.texts)
        wins = (found[:, None] > self.scores) + 0.5 * (found[:, None] == self.scores)
        nearest = np.abs(self.lengths - tokens[:, None]).argmin(axis=1)
        accuracy, by_task = self._accuracy(model)
        reference = self.reference.responses
        scores = {
            "expert_score": float(found.mean()),
            "win_rate": float(wins.mean()),
            "win_rate_at_length": float(wins[np.arange(len(wins)), nearest].mean()),
            "proxy_accuracy": accuracy,
            "reference_kl": model.reference_kl(prompts, written.texts),
            "validity": validity(written),
            "distinct_1": distinct(written.texts, 1),
            "distinct_2": distinct(written.texts, 2),
            "response_tokens": float(tokens.mean()),
            "reference_expert_score": float(self.scores.mean()),
            "reference_validity": float(np.mean([each.valid for each in reference])),
            "reference_response_tokens": float(self.lengths.mean()),
        }
        responses = {
            "task": [item.prompt.task for item in self.items],
            "prompt": [item.prompt.text for item in self.items],
            "said": list(written.texts),
            "score": found,
            "wins": wins.mean(axis=1),
        }
        notes = {"generated_tokens": float(written.tokens.sum())}
        return Scored(scores, {"responses": responses, "proxy_accuracy": by_task}, notes)

    def _accuracy(self, model: Policy) -> tuple[float, dict[str, Any]]:
        """The share of the reference's pairs that the policy's reward puts in the expert's order, a mean over tasks.

        Pairs of one prompt that the expert scores alike do not count; equal rewards are half right.
        """
        block = self.reference
        singles = [block.single(row) for row in range(len(block.responses))]
        rewards = model.predictions(singles).cpu().numpy().reshape(self.scores.shape)
        right: dict[str, list[float]] = {item.prompt.task: [] for item in self.items}
        for item, said, true in zip(self.items, rewards, self.scores, strict=True):
            for one, other in combinations(range(len(true)), 2):
                if true[one] != true[other]:
                    agrees = np.sign(said[one] - said[other]) * np.sign(true[one] - true[other])
                    right[item.prompt.task].append((1 + float(agrees)) / 2)
        tasks = sorted(task for task, some in right.items() if some)
        each = [float(np.mean(right[task])) for task in tasks]
        table = {"task": tasks, "pairs": [len(right[task]) for task in tasks], "accuracy": each}
        return float(np.mean(each)) if each else 0.5, table

    def _judged(self, asked: Sequence[Asked]) -> np.ndarray:
        """(n,) the expert's scores; what it has no answer to counts as its lowest."""
        references = {item.prompt.said: item.reference for item in self.items}
        told = [Asked(each.prompt, references[each.prompt], each.responses) for each in asked]
        kind = self.judge.kinds["score"]
        answers, answered = kind.held(self.judge.ask(told, None))
        values = answers.astype(np.float64)
        if answered is not None:
            values[~answered] = values[answered].min() if answered.any() else 0.0
        return values

    def _tokens(self, texts: Sequence[str]) -> np.ndarray:
        return self.reference.policy.model.response_tokens(texts)
