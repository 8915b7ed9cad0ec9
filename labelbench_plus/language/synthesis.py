"""Writing demonstrations: a model continues what precedes a user's turn, then answers what it wrote.

Everything is drawn from separate streams, one per prompt, and written in pieces of a fixed size, so the text is the
same wherever the writing was interrupted.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from labelbench_plus.inputs.conversations import Conversation
from labelbench_plus.language.decoding import Decoding
from labelbench_plus.language.matching import normalised
from labelbench_plus.language.model import LanguageModel
from labelbench_plus.language.similarity import near_copies, novelty, relevance
from labelbench_plus.language.synthetic import Fate, Synthesis, Synthetic
from labelbench_plus.language.templates import Format
from labelbench_plus.language.writers import Writer
from labelbench_plus.seeding import Streams

PIECE = 64  # prompts that are written between two savings; last bits depend on which are written together
TARGETS = 256  # prompts of the pool that similarity is to, at most
MIDDLE = (0.25, 0.75)  # quantiles of similarity between which prompts are kept

Filter = Literal["none", "middle", "consistent"]


@dataclass(frozen=True)
class Sampling:
    """How demonstrations are written.

    Attributes
    ----------
    prompts: drawn, whatever becomes of them.
    prompt_tokens, answer_tokens: the most that each may have, with what ends it.
    temperature, top_p: of prompts. Answers are greedy.
    consistent: whether those are kept alone whose answer, drawn at temperature 1, is the greedy one once `normalised`.
    """

    prompts: int
    prompt_tokens: int
    answer_tokens: int
    temperature: float
    top_p: float
    consistent: bool


def write(
    writer: Writer,
    form: Format,
    sampling: Sampling,
    shown: Collection[str],
    streams: Streams,
    begun: Sequence[Synthetic],
    after_piece: Callable[[list[Synthetic]], None],
) -> list[Synthetic]:
    """All that is written, good or not, in the order of its streams.

    Parameters
    ----------
    shown: prompts that the model was shown: what says the same is a copy.
    begun: what was written before an interruption.
    after_piece: told all that is written so far, after each piece.
    """
    rows = list(begun)
    seen = {normalised(text) for text in shown} | {normalised(row.prompt) for row in rows if row.parsed}
    for start in range(len(rows), sampling.prompts, PIECE):
        numbers = range(start, min(start + PIECE, sampling.prompts))
        prompts = _prompts(writer, form, sampling, streams, numbers)
        fates = [_fate(form, text, done, sampling, seen) for text, done in prompts]
        good = [place for place, fate in enumerate(fates) if fate == "kept"]
        answered = _answered(writer, form, sampling, streams, [(numbers[place], prompts[place][0]) for place in good])
        answers = dict(zip(good, answered, strict=True))
        rows += [Synthetic(text, *answers.get(place, ("", fates[place]))) for place, (text, _) in enumerate(prompts)]
        after_piece(rows)
    return rows


def without_near_copies(rows: Sequence[Synthetic], shown: Collection[str]) -> list[Synthetic]:
    """The same rows, where kept ones that almost say what was shown, or what an earlier prompt says, are a `near copy`.

    Parameters
    ----------
    shown: prompts that the model was shown, as in `write`. Almost the same: see `similarity.near_copies`.
    """
    places = [place for place, row in enumerate(rows) if row.parsed]
    near = near_copies([rows[place].prompt for place in places], shown)
    found = {place for place, same in zip(places, near.tolist(), strict=True) if same}
    return [
        replace(row, fate="near copy") if place in found and row.fate == "kept" else row
        for place, row in enumerate(rows)
    ]


def middle_half(
    rows: Sequence[Synthetic], base: LanguageModel, pool: Sequence[Conversation], streams: Streams
) -> list[Synthetic]:
    """The same rows, where kept ones outside the middle half by similarity to prompts of the pool are `outside`.

    Similarity is `relevance` by the base's states, shifted by the mean over these prompts of the pool.
    """
    kept = [row.prompt for row in rows if row.fate == "kept"]
    if not kept or not pool:
        return list(rows)
    targets, mean = _targets(base, pool, streams)
    found = relevance(base.hidden(kept) - mean, targets).double()
    lowest, highest = torch.quantile(found, torch.tensor(MIDDLE, dtype=torch.float64)).tolist()
    within = iter(lowest <= value <= highest for value in found.tolist())
    return [row if row.fate != "kept" or next(within) else replace(row, fate="outside") for row in rows]


def worth(written: Synthesis, base: LanguageModel, pool: Sequence[Conversation], streams: Streams) -> float:
    """What was written is worth, by no label: the mean of relevance × novelty over all prompts, 0 for those not kept.

    Relevance is to prompts of the pool, novelty from what the model was shown, both by the base's states as in
    `middle_half`. Copies are not new, and babble is not relevant. The rule is ours.

    Raises
    ------
    ValueError
        The pool has no prompts.
    """
    if not pool:
        raise ValueError("what was written is compared with prompts of the pool, which has none")
    kept = [row.prompt for row in written.rows if row.fate == "kept"]
    if not kept:
        return 0.0
    targets, mean = _targets(base, pool, streams)
    states = base.hidden(kept) - mean
    found = relevance(states, targets).double() * novelty(states, base.hidden(written.shown) - mean).double()
    return float(found.sum()) / len(written.rows)


def _targets(base: LanguageModel, pool: Sequence[Conversation], streams: Streams) -> tuple[Tensor, Tensor]:
    """(m, h) states of at most `TARGETS` prompts of the pool, shifted by their mean (h,), and that mean."""
    chosen = streams.rng("targets").permutation(len(pool))[:TARGETS].tolist()
    states = base.hidden([pool[place] for place in chosen])
    mean = states.mean(dim=0)
    return states - mean, mean


def _prompts(
    writer: Writer, form: Format, sampling: Sampling, streams: Streams, numbers: range
) -> list[tuple[str, bool]]:
    """Texts, and whether each came to the end of the user's turn."""
    token, text = form.closing()
    decoding = Decoding(
        sampling.prompt_tokens, sampling.temperature, sampling.top_p, stop=() if token is not None else (text,)
    )
    drawn = [streams.rng(f"synthetic {number}") for number in numbers] if sampling.temperature else None
    found = writer([form.opening()] * len(numbers), decoding, drawn, token)
    done = found.ended if token is not None else found.stopped
    return [(text.strip(), bool(ended)) for text, ended in zip(found.texts, done, strict=True)]


def _fate(form: Format, text: str, done: bool, sampling: Sampling, seen: set[str]) -> Fate:
    if not done:
        return "cut off"
    if not (same := normalised(text)):
        return "blank"
    try:  # tokens of the whole need not be those it was written in
        form.prompt(text)
    except ValueError:
        return "cut off"
    if same in seen:
        return "copy"
    seen.add(same)
    return "kept"


def _answered(
    writer: Writer, form: Format, sampling: Sampling, streams: Streams, asked: list[tuple[int, str]]
) -> list[tuple[str, Fate]]:
    """The answer to each prompt, by number, and what becomes of both."""
    if not asked:
        return []
    prompts = [form.prompt(text) for _, text in asked]
    greedy = writer(prompts, Decoding(sampling.answer_tokens), None, None)
    fates: list[Fate] = [
        "kept" if ended and text.strip() else "unanswered"
        for text, ended in zip(greedy.texts, greedy.ended, strict=True)
    ]
    if sampling.consistent:
        drawn = [streams.rng(f"second answer {number}") for number, _ in asked]
        again = writer(prompts, Decoding(sampling.answer_tokens, 1.0), drawn, None)
        for place, (one, other) in enumerate(zip(greedy.texts, again.texts, strict=True)):
            if fates[place] == "kept" and normalised(one) != normalised(other):
                fates[place] = "inconsistent"
    return list(zip(greedy.texts, fates, strict=True))
