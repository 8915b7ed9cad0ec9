"""A base made ready to compute: once a process, frozen, whoever asks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from labelbench_plus.contracts.bases import Base
from labelbench_plus.plugins import describe

TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.25}


class OpenBase:
    """A causal language model that never changes, on a device.

    Attributes
    ----------
    plugin: what it was opened from.
    model: the transformers model. Nobody trains it or leaves anything in it.
    tokenizer: of transformers.
    fingerprint: hash of what is computed: the base's content, and the precision.
    device: it lies on.
    dtype: of its weights.
    width: of hidden states.
    context: the most tokens it reads.
    """

    def __init__(self, plugin: Base, device: str) -> None:
        self.plugin, self.device = plugin, torch.device(device)
        self.precision = plugin.precision(device)
        self.dtype: torch.dtype = getattr(torch, self.precision)
        self.model: Any = plugin.load(device, self.dtype).requires_grad_(False)
        self.tokenizer: Any = plugin.tokenizer()
        self.fingerprint = f"{describe(plugin, semantic_only=True)} {plugin.fingerprint()} {self.precision}"
        self.width = int(self.model.config.hidden_size)
        self.context = int(self.model.config.max_position_embeddings)
        self.layers = decoder_layers(self.model)
        _check_head(self.model, self.dtype)

    def __deepcopy__(self, memo: dict[int, Any]) -> OpenBase:
        return self  # a process holds it once, and nobody changes it

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Where anything is computed with it: sums of products are rounded once, and alike every time."""
        kind = self.device.type
        exact = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
        with exact, torch.autocast(kind, dtype=torch.bfloat16, enabled=self.dtype == torch.bfloat16):
            yield


@lru_cache(maxsize=2)  # a base may be as large as memory allows
def _opened(plugin: Base, device: str) -> OpenBase:
    return OpenBase(plugin, device)


def open_base(plugin: Base, device: str = "cpu") -> OpenBase:
    """The base on a device: the same object every time in a process.

    Raises
    ------
    FileNotFoundError
        Its files or a library cannot be had; the message lists the ways to get them.
    ValueError
        It is no model that can be computed here.
    """
    return _opened(plugin, device)


def decoder_layers(model: Any) -> nn.ModuleList:
    """The layers that states pass one after another."""
    wanted = model.config.num_hidden_layers
    for part in model.modules():
        if isinstance(part, nn.ModuleList) and len(part) == wanted:
            return part
    raise ValueError(f"{type(model).__name__} has no list of its {wanted} layers: not a decoder that is known here")


def head_of(model: Any, states: Tensor) -> Tensor:
    """Logits (n, V) float32 of last hidden states (n, h): only where they are asked for, since V is large."""
    logits: Tensor = model.get_output_embeddings()(states)
    return logits.float()


@torch.no_grad()
def _check_head(model: Any, dtype: torch.dtype) -> None:
    """Refuse models whose logits are not the head's outputs (some are scaled or capped)."""
    ids = torch.tensor([[0, 1, 2, 3]], device=model.device)
    expected = model(input_ids=ids).logits[0].float()
    states = model.base_model(input_ids=ids).last_hidden_state[0]
    if not torch.allclose(head_of(model, states), expected, rtol=1e-3, atol=TOLERANCE[dtype]):
        raise ValueError(f"{type(model).__name__} changes its logits after the head, which is not known here")
