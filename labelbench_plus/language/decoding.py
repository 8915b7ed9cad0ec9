"""Generation: greedy, or drawn with one stream of random numbers a prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from labelbench_plus.algorithms.token_uncertainty import TokenStatistics, token_statistics
from labelbench_plus.language.base import head_of
from labelbench_plus.language.options import Decoding as Decoding
from labelbench_plus.language.packing import padded_left
from labelbench_plus.language.templates import Format

FIRST = 1024  # words of the vocabulary that are looked at before all are sorted
BATCH_TOKENS = 4096  # of prompts and answers that are written together


@dataclass(frozen=True)
class Generations:
    """Answers to n prompts.

    Attributes
    ----------
    texts: of the answers.
    ended: (n,) bool, whether each came to its end; the others were cut off.
    tokens: (n,) int64 of each, with the one that ends it, at least 1.
    stopped: (n,) bool, whether a stop text ended it; the others that ended wrote the token that ends them.
    statistics: of the tokens of all answers, one answer after another, from the model's own distribution (without
        temperature); None unless asked for.
    """

    texts: tuple[str, ...]
    ended: np.ndarray
    tokens: np.ndarray
    stopped: np.ndarray
    statistics: TokenStatistics | None = None


def batches(lengths: Sequence[int], longest: int) -> list[np.ndarray]:
    """Rows that are written together, shortest prompts first; a function of lengths and of the longest answer."""
    order = np.argsort(np.asarray(lengths, dtype=np.int64), kind="stable")
    found: list[np.ndarray] = []
    start = 0
    for end in range(1, len(order) + 1):
        full = end == len(order) or (end + 1 - start) * (int(lengths[order[end]]) + longest) > BATCH_TOKENS
        if full:
            found.append(order[start:end])
            start = end
    return found


@torch.no_grad()
def generate(
    model: Any,
    form: Format,
    prompts: Sequence[Sequence[int]],
    decoding: Decoding,
    generators: Sequence[Generator] | None,
    *,
    end: int | None = None,
    with_statistics: bool = False,
) -> Generations:
    """Continue every prompt until the token that ends it, a stop text, or the cap.

    Parameters
    ----------
    model: of transformers.
    prompts: their tokens, at least one each.
    generators: one per prompt, of which each token takes one number, so that an answer does not depend on which others
        are drawn; None if the temperature is 0.
    end: the token that ends an answer; `form.end` if None.

    Raises
    ------
    ValueError
        Generators are missing, or not one per prompt; a prompt without tokens.
    """
    if (decoding.temperature > 0) != (generators is not None):
        raise ValueError(
            f"temperature {decoding.temperature} goes with {'a' if decoding.temperature else 'no'} generator"
        )
    if generators is not None and len(generators) != len(prompts):
        raise ValueError(f"{len(prompts)} prompts need a generator each, got {len(generators)}")
    if empty := [row for row, prompt in enumerate(prompts) if not len(prompt)]:
        raise ValueError(f"prompt {empty[0]} has no tokens to continue")
    written: list[_Answer] = [_Answer() for _ in prompts]
    for rows in batches([len(prompt) for prompt in prompts], decoding.max_new_tokens):
        _write(
            model,
            form,
            [prompts[row] for row in rows],
            [written[row] for row in rows],
            decoding,
            None if generators is None else [generators[row] for row in rows],
            form.end if end is None else end,
            with_statistics,
        )
    statistics = None
    if with_statistics:
        values = torch.tensor([each for answer in written for each in answer.statistics], dtype=torch.float64)
        statistics = TokenStatistics(*values.reshape(-1, 3).unbind(dim=1))
    return Generations(
        tuple(_text(form, each, decoding) for each in written),
        np.array([each.ended for each in written], dtype=bool),
        np.array([len(each.ids) for each in written], dtype=np.int64),
        np.array([each.stopped for each in written], dtype=bool),
        statistics,
    )


class _Answer:
    """One that is being written."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.ended = self.stopped = False
        self.statistics: list[list[float]] = []  # of each token: entropy, largest and second probability


def _write(
    model: Any,
    form: Format,
    prompts: list[Sequence[int]],
    answers: list[_Answer],
    decoding: Decoding,
    generators: list[Generator] | None,
    end: int,
    with_statistics: bool,
) -> None:
    """One batch. Answers that have ended leave it once they are half of it."""
    ids, mask, positions = (each.to(model.device) for each in padded_left(prompts))
    cache, live = None, list(range(len(answers)))
    for _ in range(decoding.max_new_tokens):
        output = model.base_model(
            input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True
        )
        cache = output.past_key_values
        logits = head_of(model, output.last_hidden_state[:, -1])
        if generators is None:
            chosen = logits.argmax(dim=1)
        else:
            chosen = _drawn(logits, decoding, [generators[row] for row in live])
        noted = _rows(token_statistics(logits)) if with_statistics else [[]] * len(live)
        for row, token, statistics in zip(live, chosen.tolist(), noted, strict=True):
            answer = answers[row]
            if not answer.ended:
                answer.ids.append(token)
                answer.statistics.append(statistics)
                answer.stopped = token != end and _stops(form, answer, decoding)
                answer.ended = token == end or answer.stopped
        going = [place for place, row in enumerate(live) if not answers[row].ended]
        if not going:
            return
        ids = chosen[:, None]
        mask = torch.cat([mask, torch.ones_like(ids)], dim=1)
        positions = positions[:, -1:] + 1
        if 2 * len(going) <= len(live):
            kept = torch.tensor(going, device=model.device)
            cache.batch_select_indices(kept)
            ids, mask, positions = ids[kept], mask[kept], positions[kept]
            live = [live[place] for place in going]


def _rows(statistics: TokenStatistics) -> list[list[float]]:
    found: list[list[float]] = torch.stack([statistics.entropy, statistics.first, statistics.second], dim=1).tolist()
    return found


def _drawn(logits: Tensor, decoding: Decoding, generators: Sequence[Generator]) -> Tensor:
    """A token a row: the first at which the sum of the probabilities exceeds a random number."""
    probabilities = (logits / decoding.temperature).softmax(dim=1)
    numbers = torch.tensor([[each.random()] for each in generators], dtype=torch.float64, device=logits.device)
    if decoding.top_p == 1.0:
        sums = probabilities.double().cumsum(dim=1)
        return torch.searchsorted(sums, numbers * sums[:, -1:], right=True).clamp(max=sums.shape[1] - 1)[:, 0]
    values, words = probabilities.topk(min(FIRST, probabilities.shape[1]), dim=1)
    if bool((values.double().sum(dim=1) < decoding.top_p).any()):
        values, words = probabilities.sort(dim=1, descending=True, stable=True)
    sums = values.double().cumsum(dim=1)
    # The likeliest tokens that reach top_p: those before which less than that was reached.
    allowed = (sums - values.double() < decoding.top_p).sum(dim=1, keepdim=True)
    place = torch.searchsorted(sums, numbers * sums.gather(1, allowed - 1), right=True).clamp(max=allowed - 1)
    return words.gather(1, place)[:, 0]


def _stops(form: Format, answer: _Answer, decoding: Decoding) -> bool:
    if not decoding.stop:
        return False
    text = form.text(answer.ids)
    return any(stop in text for stop in decoding.stop)


def _text(form: Format, answer: _Answer, decoding: Decoding) -> str:
    text = form.text(answer.ids)
    places = [text.index(stop) for stop in decoding.stop if stop in text]
    return text[: min(places)] if places else text
