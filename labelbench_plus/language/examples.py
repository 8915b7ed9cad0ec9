"""Demonstrations as tokens: what is read, and what of it is learned."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.random import Generator

from labelbench_plus.inputs.conversations import Demonstration
from labelbench_plus.language.templates import Format

Supervised = Literal["answers", "all"]
WINDOW = 16  # batches among which texts of like length are put together


@dataclass(frozen=True)
class Example:
    """A prompt followed by its answer.

    Attributes
    ----------
    ids: tokens of both.
    prompt: how many of them are the prompt's.
    """

    ids: tuple[int, ...]
    prompt: int

    def first(self, supervised: Supervised) -> int:
        """The first token that is learned; all after it are too. Nothing says how likely the very first one is."""
        return self.prompt if supervised == "answers" else 1


def examples(form: Format, demonstrations: Iterable[Demonstration], max_tokens: int) -> list[Example]:
    """Of each demonstration, in order; answers are cut off where both have more than `max_tokens`.

    Raises
    ------
    ValueError
        A prompt alone has as many.
    """
    found = []
    for each in demonstrations:
        prompt = form.prompt(each.prompt)
        if len(prompt) >= max_tokens:
            raise ValueError(
                f"a prompt has {len(prompt)} tokens, and max_tokens of the trainer is {max_tokens}: nothing is left "
                "for an answer"
            )
        found.append(Example((*prompt, *form.answer(each.response))[:max_tokens], len(prompt)))
    return found


def plan(lengths: Sequence[int], batch: int, epochs: int, rng: Generator) -> list[np.ndarray]:
    """The rows of every step: every epoch each row once, with others of about its length.

    A permutation is cut into windows, which are sorted by length and cut into batches; these come in any order. The
    last batch of an epoch may be smaller.
    """
    sizes, steps = np.asarray(lengths, dtype=np.int64), []
    for _ in range(epochs):
        order = rng.permutation(len(sizes))
        windows = [order[start : start + WINDOW * batch] for start in range(0, len(order), WINDOW * batch)]
        alike = [window[np.argsort(-sizes[window], kind="stable")] for window in windows]
        batches = [window[start : start + batch] for window in alike for start in range(0, len(window), batch)]
        steps += [batches[place] for place in rng.permutation(len(batches))]
    return steps


def plan_of(lengths: Sequence[int], batch: int, steps: int, rng: Generator) -> list[np.ndarray]:
    """The rows of so many steps: the first ones of a `plan` of as many epochs as it takes."""
    epochs = -(-steps // -(-len(lengths) // batch))
    return plan(lengths, batch, epochs, rng)[:steps]
