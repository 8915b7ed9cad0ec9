"""What an engine asks of policies: to read on, and to say what comes next."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


class State(ABC):
    """What policies have read so far, row by row.

    Attributes
    ----------
    columns: the policies that have read it.
    """

    columns: tuple[int, ...]

    @abstractmethod
    def copy(self, columns: tuple[int, ...]) -> State:
        """What some of the columns have read, which goes on without changing this one."""

    @abstractmethod
    def keep(self, rows: Tensor) -> None:
        """Forget all but rows (r,) int64, which are numbered anew in their order."""


class LivePolicies(ABC):
    """k policies with one tokenizer, and perhaps the reference that all were tuned from.

    Attributes
    ----------
    count: k. Policies are columns 0 to k − 1, the reference is column k.
    reference: whether there is one.
    width: tokens that may be said. Scores beyond it, which padded heads have, are cut off.
    vocabulary: (width,) int64, the ids of those tokens; None where they are 0 to width − 1.
    mixes: whether final hidden states may be mixed in place of scores (`advance`).
    device: where tokens go.
    """

    count: int
    reference: bool
    width: int
    vocabulary: Tensor | None
    mixes: bool
    device: torch.device

    @abstractmethod
    def start(self, columns: tuple[int, ...]) -> State:
        """Nothing read yet."""

    @abstractmethod
    def advance(self, state: State, tokens: Tensor, mask: Tensor, positions: Tensor, mix: Tensor | None) -> Tensor:
        """Read on, and score what comes next.

        Parameters
        ----------
        state: grows by what is read.
        tokens: (B, t) ids.
        mask: (B, s + t) ones where a token is one, after s that were read before.
        positions: (B, t) places of the tokens in their rows.
        mix: (m, c) weights of the state's c columns, for m mixtures of their final hidden states; None scores each
            column. Only where `mixes`.

        Returns
        -------
        (m or c, B, width) logits.
        """

    def ids(self, chosen: Tensor) -> Tensor:
        """The ids of tokens that are numbered as scores are."""
        return chosen if self.vocabulary is None else self.vocabulary[chosen]


def check_model(model: Any, width: int, vocabulary: Tensor | None, name: str) -> None:
    """Refuse a model that would say something else than it was asked.

    Raises
    ------
    ValueError
        It is in training mode, or its head has fewer tokens than may be said.
    """
    if model.training:
        raise ValueError(f"{name}: the model is in training mode, where dropout changes what it says; call eval()")
    head = model.get_output_embeddings()
    if head is None:
        raise ValueError(f"{name}: {type(model).__name__} has no head that scores tokens")
    columns = head.weight.shape[0]
    if columns < width or (vocabulary is not None and columns != width):
        raise ValueError(f"{name}: its head scores {columns} tokens, where {width} may be said")


def checked_width(tokens: int, vocabulary: Sequence[int] | None, device: torch.device) -> tuple[int, Tensor | None]:
    """How many tokens may be said, and their ids if they are a choice.

    Raises
    ------
    ValueError
        Ids that the tokenizer does not have, or that come twice.
    """
    if vocabulary is None:
        return tokens, None
    chosen = torch.as_tensor(list(vocabulary), dtype=torch.int64, device=device)
    if chosen.numel() == 0 or chosen.unique().numel() != chosen.numel():
        raise ValueError("vocabulary: expected different ids, one or more")
    if int(chosen.min()) < 0 or int(chosen.max()) >= tokens:
        raise ValueError(f"vocabulary: expected ids from 0 to {tokens - 1}")
    return len(chosen), chosen


def restrict_head(model: Any, vocabulary: Sequence[int]) -> None:
    """Have a model score some tokens only, in this order. Its head is replaced, its input embedding stays."""
    head = model.get_output_embeddings()
    rows = torch.as_tensor(list(vocabulary), dtype=torch.int64, device=head.weight.device)
    smaller = torch.nn.Linear(
        head.weight.shape[1], len(rows), bias=head.bias is not None, device=head.weight.device, dtype=head.weight.dtype
    )
    with torch.no_grad():
        smaller.weight.copy_(head.weight[rows])
        if head.bias is not None:
            smaller.bias.copy_(head.bias[rows])
    smaller.requires_grad_(head.weight.requires_grad)
    model.set_output_embeddings(smaller)


def arguments(model: Any, positions: Tensor) -> dict[str, Any]:
    """What a model's forward pass takes beside tokens, mask and cache, if it takes it."""
    known = inspect.signature(model.forward).parameters
    wanted = {"position_ids": positions, "logits_to_keep": 1}
    return {name: value for name, value in wanted.items() if name in known}
