"""The states that frozen lower layers hand to the trained ones: computed once, however often they are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor

from labelbench_plus.language.base import OpenBase
from labelbench_plus.language.packing import by_length, padded_right

BATCH_TOKENS = 4096
LIMIT_BYTES = 4 * 2**30  # of all states; where they are more, lower layers are computed at every step


class Trunk:
    """The states of texts after a base's lower layers.

    Parameters
    ----------
    top: how many upper layers come after them.
    rows: the texts' tokens.
    """

    def __init__(self, base: OpenBase, top: int, rows: Sequence[Sequence[int]]) -> None:
        self._base, self._lower = base, list(base.layers[: len(base.layers) - top])
        self._states: list[Tensor] | None = None
        self._wrapped = False
        size = sum(map(len, rows)) * base.width * base.dtype.itemsize
        if self._lower and size <= LIMIT_BYTES:
            self._states = self._compute(rows)

    @contextmanager
    def computed(self, rows: Sequence[int]) -> Iterator[None]:
        """While the base's model reads a batch of these texts, padded on the right, its lower layers say what they said
        before instead of computing it.
        """
        if self._states is None:
            yield
            return
        states = torch.nn.utils.rnn.pad_sequence([self._states[row] for row in rows], batch_first=True)
        said = (states,) if self._wrapped else states
        with ExitStack() as stack:
            for layer in self._lower:
                layer.forward = lambda *arguments, **named: said
                stack.callback(delattr, layer, "forward")
            yield

    @torch.no_grad()
    def _compute(self, rows: Sequence[Sequence[int]]) -> list[Tensor]:
        found: list[Any] = [None] * len(rows)
        kept: list[Any] = []
        handle = self._lower[-1].register_forward_hook(lambda layer, given, output: kept.append(output))
        try:
            for batch in by_length([len(row) for row in rows], BATCH_TOKENS):
                kept.clear()
                self._base.model.base_model(input_ids=padded_right([rows[row] for row in batch]).to(self._base.device))
                self._wrapped = isinstance(kept[0], tuple)
                states = kept[0][0] if self._wrapped else kept[0]
                for place, row in enumerate(batch.tolist()):
                    found[row] = states[place, : len(rows[row])].clone()
        finally:
            handle.remove()
        return found
