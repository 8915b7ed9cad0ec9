"""Responses as all sequences of tokens: from their probabilities to those of the next token, and back."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def conditionals(log_probabilities: Tensor, steps: Sequence[int]) -> list[Tensor]:
    """For each step (..., prefixes, V), the log-probabilities of the next token after each prefix.

    After a prefix that is never said all tokens are alike.

    Parameters
    ----------
    log_probabilities: (..., n) of all sequences, the last token varying fastest.
    steps: V of each step; their product is n.
    """
    found, before = [], torch.logsumexp(log_probabilities, dim=-1, keepdim=True)
    for depth, width in enumerate(steps):
        rest = math.prod(steps[depth + 1 :])
        here = torch.logsumexp(log_probabilities.unflatten(-1, (-1, rest)), dim=-1)
        after = here.unflatten(-1, (-1, width)) - before.unsqueeze(-1)
        found.append(torch.where(torch.isneginf(before).unsqueeze(-1), -math.log(width), after))
        before = here
    return found


def joint(steps: Sequence[Tensor]) -> Tensor:
    """(..., n) log-probabilities of all sequences, of those of the next token as `conditionals` gives them."""
    total = steps[0].flatten(-2)
    for step in steps[1:]:
        total = (total.unsqueeze(-1) + step).flatten(-2)
    return total
