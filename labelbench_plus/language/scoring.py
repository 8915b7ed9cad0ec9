"""What a model says of texts that are there: how likely answers are, and the states of prompts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from labelbench_plus.language.base import head_of
from labelbench_plus.language.packing import by_length, padded_right

BATCH_TOKENS = 4096  # that are computed together
HEAD_ROWS = 512  # states whose logits over the whole vocabulary are there at a time


def token_losses(model: Any, rows: Sequence[Sequence[int]], first: Sequence[int]) -> Tensor:
    """Minus the log probability of tokens after what precedes them, row after row, in nats (T,) float32.

    The head over the vocabulary is computed for these tokens alone.

    Parameters
    ----------
    rows: texts' tokens; they are read together.
    first: of each, the first token that is asked about, at least 1; all after it are too.
    """
    ids = padded_right(rows).to(model.device)
    states = model.base_model(input_ids=ids).last_hidden_state
    # The state before a token says how likely it is.
    asked = [(place, start, len(row)) for place, (row, start) in enumerate(zip(rows, first, strict=True))]
    wanted = torch.cat([states[place, start - 1 : end - 1] for place, start, end in asked])
    said = torch.cat([ids[place, start:end] for place, start, end in asked])
    return torch.cat(
        [
            F.cross_entropy(head_of(model, part), some, reduction="none")
            for part, some in zip(wanted.split(HEAD_ROWS), said.split(HEAD_ROWS), strict=True)
        ]
    )


@torch.no_grad()
def log_probabilities(model: Any, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]]) -> Tensor:
    """(n,) float64: the sum over the tokens of each answer of how likely each is after what precedes it, in nats."""
    out = torch.zeros(len(prompts), dtype=torch.float64)
    rows = [[*prompt, *answer] for prompt, answer in zip(prompts, answers, strict=True)]
    for batch in by_length([len(row) for row in rows], BATCH_TOKENS):
        losses = token_losses(model, [rows[row] for row in batch], [len(prompts[row]) for row in batch]).double().cpu()
        sums = [-part.sum() for part in losses.split([len(answers[row]) for row in batch.tolist()])]
        out[torch.from_numpy(batch)] = torch.stack(sums)
    return out


@torch.no_grad()
def hidden(model: Any, prompts: Sequence[Sequence[int]], pooling: Literal["mean", "last"]) -> Tensor:
    """(n, h) float32: the last hidden states of prompts' tokens, their mean or the last one."""
    out = torch.empty(len(prompts), int(model.config.hidden_size))
    for batch in by_length([len(prompt) for prompt in prompts], BATCH_TOKENS):
        ids = padded_right([prompts[row] for row in batch]).to(model.device)
        states = model.base_model(input_ids=ids).last_hidden_state.float()
        for place, row in enumerate(batch.tolist()):
            mine = states[place, : len(prompts[row])]
            out[row] = mine[-1] if pooling == "last" else mine.mean(dim=0)
    return out


@torch.no_grad()
def response_states(model: Any, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]]) -> Tensor:
    """(n, 3, h) float32: last hidden states of the tokens of each answer, their mean and the last one, and the mean of
    those of prompt and answer.
    """
    out = torch.empty(len(prompts), 3, int(model.config.hidden_size))
    rows = [[*prompt, *answer] for prompt, answer in zip(prompts, answers, strict=True)]
    for batch in by_length([len(row) for row in rows], BATCH_TOKENS):
        some = batch.tolist()
        out[some] = pooled_states(model, [rows[row] for row in some], [len(prompts[row]) for row in some]).cpu()
    return out


def pooled_states(model: Any, rows: Sequence[Sequence[int]], first: Sequence[int]) -> Tensor:
    """(n, 3, h) float32 of texts that are read together: last hidden states from the `first` token of each on, their
    mean and the last one, and the mean of all. Gradients pass.
    """
    ids = padded_right(rows).to(model.device)
    states = model.base_model(input_ids=ids).last_hidden_state.float()
    found = []
    for place, (row, start) in enumerate(zip(rows, first, strict=True)):
        every = states[place, : len(row)]
        mine = every[start:]
        found.append(torch.stack([mine.mean(dim=0), mine[-1], every.mean(dim=0)]))
    return torch.stack(found)
