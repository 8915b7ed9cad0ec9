"""Prompts: one file per source. A source knows the prompts, their right answers and the split, nothing else."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from labelbench_plus.inputs.conversations import Conversation, Demonstration, turns
from labelbench_plus.plugins import Plugin, Registry

SEED_LINE = "seed demonstrations"
"""The name under which they are counted beside the budget."""


@dataclass(frozen=True)
class Prompt:
    """What should be answered.

    Attributes
    ----------
    said: a text, or the turns of a conversation up to the one to answer.
    task: the kind of question; scores are averaged over these names. Public, like everything in a prompt.
    """

    said: Conversation
    task: str

    @property
    def text(self) -> str:
        """What the user says last."""
        return turns(self.said)[-1].text


@dataclass(frozen=True)
class TestItem:
    """A prompt that models are scored on.

    Attributes
    ----------
    accepted: answers that are right, at least one; the first is the reference.
    choices: the options of a multiple-choice prompt, if any; the reference is one of them.
    """

    __test__ = False  # pytest takes the name for a test's

    prompt: Prompt
    accepted: tuple[str, ...]
    choices: tuple[str, ...] = ()

    @property
    def reference(self) -> str:
        """The answer whose likelihood is scored."""
        return self.accepted[0]


@dataclass(frozen=True)
class PromptData:
    """Prompts in memory. The split is fixed: it does not depend on a run's seed.

    Attributes
    ----------
    pool: the prompts whose answers can be bought. pool_answers: (n,) the oracle's answers.
    seed: demonstrations that every run gets for free; declared beside the budget.
    validation: demonstrations for trainers that declare their use.
    test: what models are scored on.
    pool_prices: (n,) the price of each answer; one unit each if None.

    Raises
    ------
    ValueError
        The numbers of prompts, answers and prices differ; a conversation does not end with the user's turn; the pool or
        the test set is empty.
    """

    pool: tuple[Prompt, ...]
    pool_answers: tuple[str, ...]
    test: tuple[TestItem, ...]
    seed: tuple[Demonstration, ...] = ()
    validation: tuple[Demonstration, ...] = ()
    pool_prices: np.ndarray | None = None

    def __post_init__(self) -> None:
        for what, found in (("answers", self.pool_answers), ("prices", self.pool_prices)):
            if found is not None and len(found) != len(self.pool):
                raise ValueError(f"{len(self.pool)} prompts in the pool, but {len(found)} {what}")
        for prompt in (*self.pool, *(item.prompt for item in self.test)):
            turns(prompt.said)
        if not self.pool or not self.test:
            raise ValueError(
                f"{len(self.pool)} prompts in the pool, {len(self.test)} to be scored on: neither may be 0"
            )

    @property
    def prices(self) -> np.ndarray:
        """(n,) float64, the price of each answer."""
        return np.ones(len(self.pool)) if self.pool_prices is None else self.pool_prices

    @property
    def tasks(self) -> tuple[str, ...]:
        """The names of the pool's tasks, sorted."""
        return tuple(sorted({prompt.task for prompt in self.pool}))

    def content_hash(self) -> str:
        """SHA-256, as 64 hexadecimal digits, of every prompt, answer and price in its part and order."""
        prices = None if self.pool_prices is None else [float(price).hex() for price in self.pool_prices]
        content = {
            "pool": [dataclasses.astuple(prompt) for prompt in self.pool],
            "answers": self.pool_answers,
            "prices": prices,
            **{part: [dataclasses.astuple(each) for each in getattr(self, part)] for part in PARTS},
        }
        return hashlib.sha256(json.dumps(content, separators=(",", ":")).encode()).hexdigest()


PARTS = ("seed", "validation", "test")


class PromptSource(Plugin):
    """Where prompts with their answers come from."""

    def load(self) -> PromptData:
        """Read them.

        Raises
        ------
        FileNotFoundError
            They are missing on this machine; the message lists every way to get them.
        ValueError
            They are malformed; the message says where.
        """
        raise NotImplementedError

    def capacity(self) -> float:
        """The price of all answers of the pool. A source that knows it from its hyperparameters loads nothing."""
        return float(loaded(self).prices.sum())

    def max_price(self) -> float:
        """The price of the most expensive answer; as `capacity`."""
        return float(loaded(self).prices.max())

    def validation_labels(self) -> int:
        """How many demonstrations are for validation; as `capacity`."""
        return len(loaded(self).validation)

    def dataset_name(self) -> str:
        """The data behind it; see `Dataset.dataset_name`."""
        return self.name

    def fingerprint(self) -> str:
        """Hash of prompts, answers and split, so that a run's identity changes with its data."""
        return loaded(self).content_hash()

    def accepted(self, text: str) -> tuple[str, ...] | None:
        """The right answers to a prompt that this source could ask, empty if unknown; None for any other prompt.

        Scores use it to tell whether what a model wrote is in the domain and right; no trainer sees it. By default, a
        source knows only its own prompts, verbatim.
        """
        return _by_text(self).get(text)

    def beside(self) -> Mapping[str, int]:
        return {SEED_LINE: len(loaded(self).seed)}


@cache
def loaded(source: PromptSource) -> PromptData:
    """What a source loads, read once per process."""
    return source.load()


@cache
def _by_text(source: PromptSource) -> Mapping[str, tuple[str, ...]]:
    """The right answers by the text of a prompt, of all prompts that a source has."""
    data = loaded(source)
    pool = zip(data.pool, data.pool_answers, strict=True)
    shown = ((Prompt(each.prompt, ""), each.response) for each in (*data.seed, *data.validation))
    found = {prompt.text: (answer,) for prompt, answer in (*pool, *shown)}
    return found | {item.prompt.text: item.accepted for item in data.test}


prompts = Registry("prompt source", PromptSource, "labelbench_plus.prompts")
