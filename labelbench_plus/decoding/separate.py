"""Policies that are models of their own, run one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from labelbench_plus.decoding.caches import copied, new_cache, select_rows
from labelbench_plus.decoding.policies import LivePolicies, State, arguments, check_model, checked_width


class SeparateState(State):
    """A cache a model, made when the model first reads."""

    def __init__(self, caches: dict[int, Any]) -> None:
        self.caches = caches

    @property
    def columns(self) -> tuple[int, ...]:  # type: ignore[override]
        return tuple(self.caches)

    def copy(self, columns: tuple[int, ...]) -> SeparateState:
        return SeparateState({column: copied(self.caches[column]) for column in columns})

    def keep(self, rows: Tensor) -> None:
        for cache in self.caches.values():
            select_rows(cache, rows)


class SeparatePolicies(LivePolicies):
    """Causal language models of any kind with one tokenizer.

    Parameters
    ----------
    models: of transformers, in evaluation mode.
    tokens: how many ids the tokenizer has.
    reference: the model that all were tuned from, for rules that need it.
    vocabulary: ids that may be said, if not all; the models score just these (`policies.restrict_head`).

    Raises
    ------
    ValueError
        No model, one in training mode, an encoder-decoder, or one that knows fewer tokens.
    """

    mixes = False

    def __init__(
        self,
        models: Sequence[Any],
        tokens: int,
        *,
        reference: Any = None,
        vocabulary: Sequence[int] | None = None,
    ) -> None:
        if not models:
            raise ValueError("policies: expected one model or more, got none")
        self.models = [*models, *([reference] if reference is not None else [])]
        self.count, self.reference = len(models), reference is not None
        self.device = next(self.models[0].parameters()).device
        self.width, self.vocabulary = checked_width(tokens, vocabulary, self.device)
        for index, model in enumerate(self.models):
            check_model(model, self.width, self.vocabulary, f"policy {index}" if index < self.count else "reference")
            new_cache(model)

    def start(self, columns: tuple[int, ...]) -> SeparateState:
        return SeparateState({column: new_cache(self.models[column]) for column in columns})

    def advance(self, state: State, tokens: Tensor, mask: Tensor, positions: Tensor, mix: Tensor | None) -> Tensor:
        assert isinstance(state, SeparateState) and mix is None
        found = []
        for column, cache in state.caches.items():
            model = self.models[column]
            device = next(model.parameters()).device
            output = model(
                input_ids=tokens.to(device),
                attention_mask=mask.to(device),
                past_key_values=cache,
                use_cache=True,
                **arguments(model, positions.to(device)),
            )
            found.append(output.logits[:, -1, : self.width].to(self.device))
        return torch.stack(found)
