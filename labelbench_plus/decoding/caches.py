"""Keys and values of prompts: computed once, copied for every weighting."""

from __future__ import annotations

import copy
from typing import Any

import torch

from labelbench_plus.models.weights import library

ALL = slice(None)


def new_cache(model: Any) -> Any:
    """An empty cache for a model of transformers.

    Raises
    ------
    ValueError
        A model that is not a decoder alone, or that keeps a state which cannot be copied row by row.
    """
    DynamicCache = library("transformers", "language").DynamicCache
    if getattr(model.config, "is_encoder_decoder", False):
        raise ValueError(f"{type(model).__name__}: only models that are decoders alone can answer together")
    if getattr(model, "_is_stateful", False):
        raise ValueError(f"{type(model).__name__}: a recurrent state cannot be copied row by row")
    return DynamicCache(config=model.config)


def copied(cache: Any) -> Any:
    """The same keys and values in memory of their own."""
    return copy.deepcopy(cache)


def select_rows(cache: Any, rows: torch.Tensor, layers: slice = ALL) -> None:
    """Keep rows (r,) int64 of a cache, in their order, in some layers or all that have read something."""
    for layer in cache.layers[layers]:
        layer.batch_select_indices(rows.cpu())  # which fits keys on any device
