"""Policies that are adapters on one model, run in one forward pass.

A batch holds the same B rows once for each policy. The base model's matrices are multiplied once for all of them, and
the adapters' small ones group by group. Layers below the first that any adapter changes see the B rows once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from labelbench_plus.decoding.adapters import Adapter
from labelbench_plus.decoding.caches import copied, new_cache, select_rows
from labelbench_plus.decoding.policies import LivePolicies, State, arguments, check_model, checked_width


class FusedState(State):
    """One cache: B rows in layers of the trunk, B rows a column from the first layer that adapters change."""

    def __init__(self, columns: tuple[int, ...], cache: Any, first: int) -> None:
        self.columns, self.cache, self.first = columns, cache, first
        self.rows = 0

    def copy(self, columns: tuple[int, ...]) -> FusedState:
        found = FusedState(columns, copied(self.cache), self.first)
        found.rows = self.rows
        if columns != self.columns and self.rows:
            places = torch.tensor([self.columns.index(column) for column in columns]) * self.rows
            select_rows(found.cache, (places[:, None] + torch.arange(self.rows)).reshape(-1), slice(self.first, None))
        return found

    def keep(self, rows: Tensor) -> None:
        places = torch.arange(len(self.columns), device=rows.device) * self.rows
        select_rows(self.cache, rows, slice(self.first))
        select_rows(self.cache, (places[:, None] + rows).reshape(-1), slice(self.first, None))
        self.rows = len(rows)


class FusedPolicies(LivePolicies):
    """Adapters on one causal language model, which itself is the reference.

    The model is lent: hooks on its layers do nothing unless these policies are asked, and `close` removes them.

    Parameters
    ----------
    base: of transformers, in evaluation mode, with eager or SDPA attention.
    adapters: one per policy; they may change different layers and have different ranks.
    tokens, vocabulary: as of `SeparatePolicies`.
    mix: whether final hidden states are mixed before the head where that is the same as mixing logits.

    Raises
    ------
    ValueError
        No adapter, layers that the model does not have, or a model that cannot be run so.
    """

    reference = True

    def __init__(
        self,
        base: Any,
        adapters: Sequence[Adapter],
        tokens: int,
        *,
        vocabulary: Sequence[int] | None = None,
        mix: bool = True,
    ) -> None:
        if not adapters:
            raise ValueError("policies: expected one adapter or more, got none")
        if "flex" in str(getattr(base.config, "_attn_implementation", "")):
            raise ValueError(
                "masks of flex attention cannot be repeated; load the model with attn_implementation='sdpa'"
            )
        self.base, self.count = base, len(adapters)
        self.device = next(base.parameters()).device
        self.width, self.vocabulary = checked_width(tokens, vocabulary, self.device)
        check_model(base, self.width, self.vocabulary, "base")
        new_cache(base)
        parts, head = dict(base.named_modules()), base.get_output_embeddings()
        names = sorted(set().union(*(adapter.layers for adapter in adapters)))
        if unknown := [name for name in names if name not in parts]:
            raise ValueError(f"the model has no layer {unknown[0]!r}; the adapter belongs to another one")
        place, layers = _layers(base)
        self.first = min((_layer(name, place, head is parts[name], len(layers)) for name in names), default=0)
        self.mixes = mix and not _caps(base.config) and not any(parts[name] is head for name in names)
        self._adapters = [adapter.to(self.device) for adapter in adapters]
        self._stacks: tuple[tuple[int, ...], dict[str, tuple[Tensor, Tensor]]] = ((), {})
        self._run: _Run | None = None
        self._hooks = [parts[name].register_forward_hook(self._adapting(name)) for name in names]
        for index, layer in enumerate(layers):
            if index >= self.first > 0:  # without a trunk, rows are repeated before anything reads them
                self._hooks.append(layer.register_forward_pre_hook(self._repeating(index), with_kwargs=True))
        self._hooks.append(head.register_forward_pre_hook(self._mixing))

    def close(self) -> None:
        """Leave the model as it was lent."""
        for hook in self._hooks:
            hook.remove()

    def start(self, columns: tuple[int, ...]) -> FusedState:
        return FusedState(columns, new_cache(self.base), self.first)

    def advance(self, state: State, tokens: Tensor, mask: Tensor, positions: Tensor, mix: Tensor | None) -> Tensor:
        assert isinstance(state, FusedState)
        columns, rows = state.columns, len(tokens)
        state.rows = rows
        self._stack(columns)
        self._run = _Run(len(columns), rows, mix)
        tokens, mask, positions = (
            each if self.first else each.repeat(len(columns), 1) for each in (tokens, mask, positions)
        )
        try:
            output = self.base(
                input_ids=tokens,
                attention_mask=mask,
                past_key_values=state.cache,
                use_cache=True,
                **arguments(self.base, positions),
            )
        finally:
            self._run = None
        return output.logits[:, -1, : self.width].unflatten(0, (-1, rows))

    def _stack(self, columns: tuple[int, ...]) -> None:
        """Lay the columns' matrices side by side: (c, in, r) and (c, r, out), lower ranks filled up with zeros."""
        if self._stacks[0] == columns:
            return
        chosen = [self._adapters[column] if column < self.count else Adapter({}) for column in columns]
        stacks = {}
        for name in sorted(set().union(*(each.layers for each in chosen))):
            shown = [each.layers.get(name) for each in chosen]
            a, b, _ = next(one for one in shown if one is not None)
            rank = max(one[0].shape[0] for one in shown if one is not None)
            down = a.new_zeros(len(columns), a.shape[1], rank)
            up = b.new_zeros(len(columns), rank, b.shape[0])
            for index, one in enumerate(shown):
                if one is not None:
                    down[index, :, : one[0].shape[0]] = one[0].T
                    up[index, : one[0].shape[0]] = one[2] * one[1].T
            stacks[name] = (down, up)
        self._stacks = (columns, stacks)

    def _adapting(self, name: str) -> Any:
        def add(_module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor | None:
            if self._run is None or name not in self._stacks[1]:
                return None
            down, up = self._stacks[1][name]
            if inputs[0].ndim != 3 or len(inputs[0]) != self._run.columns * self._run.rows:
                raise ValueError(
                    f"layer {name!r} is not given rows of tokens, so adapters on it cannot be distinguished"
                )
            grouped = inputs[0].reshape(len(down), -1, down.shape[1]).to(down.dtype)
            plain = output.view(len(down), -1, up.shape[2]).to(up.dtype)
            return torch.baddbmm(plain, torch.bmm(grouped, down), up).view(output.shape).to(output.dtype)

        return add

    def _repeating(self, index: int) -> Any:
        def repeat(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            run = self._run
            if run is None or run.columns == 1:
                return None
            if index == self.first:  # the hidden states of the trunk, which later layers hand on repeated
                return tuple(run.repeated(each) for each in args), {k: run.repeated(v) for k, v in kwargs.items()}
            hidden = "hidden_states" if not args else None
            rest = (args[0], *(run.repeated(each) for each in args[1:])) if args else ()
            return rest, {k: v if k == hidden else run.repeated(v) for k, v in kwargs.items()}

        return repeat

    def _mixing(self, _module: nn.Module, args: tuple[Any, ...]) -> Any:
        if self._run is None or self._run.mix is None:
            return None
        hidden = args[0].unflatten(0, (self._run.columns, self._run.rows))
        mixed = torch.einsum("mc,c...->m...", self._run.mix.to(hidden.dtype), hidden)
        return (mixed.flatten(0, 1), *args[1:])


class _Run:
    """One forward pass: how often rows are repeated, and what was repeated already."""

    def __init__(self, columns: int, rows: int, mix: Tensor | None) -> None:
        self.columns, self.rows, self.mix = columns, rows, mix
        self._known: dict[int, tuple[Tensor, Tensor]] = {}

    def repeated(self, value: Any) -> Any:
        """A tensor with a row for each of the B, or a tuple of such, once for each policy; all else unchanged."""
        if isinstance(value, tuple):
            return tuple(self.repeated(each) for each in value)
        if not isinstance(value, Tensor) or value.ndim < 2 or value.shape[0] != self.rows:
            return value
        if id(value) not in self._known:
            self._known[id(value)] = (value, value.repeat(self.columns, *[1] * (value.ndim - 1)))
        return self._known[id(value)][1]


def _layers(base: Any) -> tuple[str, list[nn.Module]]:
    """The name and the members of the model's list of layers."""
    wanted = base.config.get_text_config(decoder=True).num_hidden_layers
    found = [(name, list(part)) for name, part in base.named_modules() if isinstance(part, nn.ModuleList)]
    fitting = [(name, members) for name, members in found if len(members) == wanted]
    outermost = [(name, members) for name, members in fitting if not any(name.startswith(f"{o}.") for o, _ in fitting)]
    if len(outermost) != 1:
        raise ValueError(f"{type(base).__name__}: cannot tell which of its parts are its {wanted} layers")
    return outermost[0]


def _layer(name: str, place: str, is_head: bool, layers: int) -> int:
    """In which layer a part lies; what precedes them all counts to the first, the head to the last."""
    if is_head:
        return layers - 1
    inside = name.removeprefix(f"{place}.")
    return int(inside.partition(".")[0]) if inside != name else 0


def _caps(config: Any) -> bool:
    """Whether logits are squeezed after the head, so that mixing before it is another thing."""
    return any(
        getattr(each, "final_logit_softcapping", None) for each in (config, config.get_text_config(decoder=True))
    )
