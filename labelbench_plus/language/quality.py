"""What answers are like, whatever they say: ended or cut off, varied or repeated, far from the base or near."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

import numpy as np

from labelbench_plus.inputs.conversations import Conversation
from labelbench_plus.language.decoding import Generations
from labelbench_plus.language.matching import normalised
from labelbench_plus.language.model import LanguageModel

WORD = re.compile(r"\w+|[^\w\s]")


def validity(found: Generations) -> float:
    """The share of answers that came to their end and are not blank."""
    valid = [bool(ended) and bool(text.strip()) for ended, text in zip(found.ended, found.texts, strict=True)]
    return float(np.mean(valid)) if valid else 0.0


def distinct(texts: Sequence[str], n: int) -> float:
    """The share of different n-grams of words among all, low where texts repeat each other or themselves; 1 of none.

    Source: Li et al., A diversity-promoting objective function for neural conversation models (2016), distinct-n.
    """
    grams = [tuple(words[i : i + n]) for words in map(_words, texts) for i in range(len(words) - n + 1)]
    return len(set(grams)) / len(grams) if grams else 1.0


def copied(texts: Sequence[str], of: Collection[str]) -> np.ndarray:
    """(n,) bool: whether each text, once `normalised`, is one of `of` or an earlier one of `texts`."""
    seen, out = {normalised(text) for text in of}, np.zeros(len(texts), dtype=bool)
    for row, text in enumerate(map(normalised, texts)):
        out[row] = text in seen
        seen.add(text)
    return out


def divergence(model: LanguageModel, prompts: Sequence[Conversation], answers: Sequence[str]) -> float:
    """KL to the base per answer, in nats, estimated on the model's own answers: mean log π − log π_base.

    It is an estimate of KL where the answers were drawn at temperature 1; of greedy ones it is how much likelier they
    have become.
    """
    if not answers:
        return 0.0
    base = LanguageModel(model.base, model.template)
    gained = model.log_probabilities(prompts, answers) - base.log_probabilities(prompts, answers)
    return float(gained.mean())


def _words(text: str) -> list[str]:
    return WORD.findall(text.lower())
