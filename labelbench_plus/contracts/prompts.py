"""Prompts: one file a source. A source knows what is asked, what is right and how that is split, nothing else."""

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
"""The line of what is used beside the budget that counts them."""


@dataclass(frozen=True)
class Prompt:
    """What is to be answered.

    Attributes
    ----------
    said: a text, or the turns of a conversation up to the one that is to be answered.
    task: the kind of question it is; scores are averaged over these names. Public, as all of a prompt is.
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
    choices: of which a model chooses, where there are any; the reference is one of them.
    """

    __test__ = False  # pytest takes the name for a test's

    prompt: Prompt
    accepted: tuple[str, ...]
    choices: tuple[str, ...] = ()

    @property
    def reference(self) -> str:
        """The answer that likelihoods are of."""
        return self.accepted[0]


@dataclass(frozen=True)
class PromptData:
    """Prompts in memory. The split is fixed: it does not depend on a run's seed.

    Attributes
    ----------
    pool: what can be asked about. pool_answers: (n,) what the oracle says.
    seed: demonstrations that everybody is handed for nothing; declared beside the budget.
    validation: those that trainers which declare it may read.
    test: what models are scored on.
    pool_prices: (n,) what each answer costs; one unit each if None.

    Raises
    ------
    ValueError
        Another number of answers or prices than of prompts; a conversation that does not end with the user's turn;
        nothing in the pool, or nothing to be scored on.
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
        """(n,) float64 what each answer costs."""
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
            They are not on this machine; the message lists every way to get them.
        ValueError
            They are not what they should be; the message says where.
        """
        raise NotImplementedError

    def capacity(self) -> float:
        """What all answers of the pool cost. A source whose hyperparameters say it loads nothing for it."""
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
        """The right answers to what this source could ask, none if it does not know them; None to anything else.

        It says of what a model wrote whether it is of the domain and right, when that is scored: no trainer asks. A
        source that does not say otherwise knows its own prompts alone, to the letter.
        """
        return _by_text(self).get(text)

    def beside(self) -> Mapping[str, int]:
        return {SEED_LINE: len(loaded(self).seed)}


@cache
def loaded(source: PromptSource) -> PromptData:
    """What a source loads, read once a process."""
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
