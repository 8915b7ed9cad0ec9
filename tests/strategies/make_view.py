"""A pool view made by hand, so that a test can put anything into it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from labelbench_plus.plugins import registry
from labelbench_plus.strategies import PoolStrategy
from labelbench_plus.view import PoolView

EVERYTHING = frozenset({"features", "embeddings", "probabilities", "member_probabilities"})


def pool_strategies() -> list[str]:
    """Every built-in strategy that chooses from a pool by itself."""
    found = registry("strategies")
    return [
        name
        for name in found.entries()
        if issubclass(found.load(name), PoolStrategy) and found.entries()[name].origin == "built in"
    ]


def make_view(
    size: int = 60,
    labelled: int = 12,
    classes: int = 4,
    width: int = 6,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
    **changed: Any,
) -> PoolView:
    """A view of a pool of `size` with `labelled` of it bought.

    `changed` replaces whole-pool tensors by name: features, embeddings (N, ·), probabilities (N, K),
    member_probabilities (M, N, K), labels (labelled,), prices (N,).
    """
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(size, width, generator=generator).to(dtype)
    pool: dict[str, Tensor] = {
        "features": features,
        "embeddings": features.relu() + 0.1,
        "probabilities": (2 * torch.randn(size, classes, generator=generator)).softmax(1).to(dtype),
        "member_probabilities": (2 * torch.randn(5, size, classes, generator=generator)).softmax(2).to(dtype),
        "labels": torch.randint(classes, (labelled,), generator=generator),
        "prices": torch.ones(size, dtype=torch.float64),
        **changed,
    }
    bought = torch.randperm(size, generator=generator)[:labelled]
    candidates = torch.tensor([item for item in range(size) if item not in set(bought.tolist())], dtype=torch.long)
    return PoolView(
        EVERYTHING,
        {
            "features": ("features", lambda: pool["features"][candidates]),
            "labelled_features": ("features", lambda: pool["features"][bought]),
            "embeddings": ("embeddings", lambda: pool["embeddings"][candidates]),
            "labelled_embeddings": ("embeddings", lambda: pool["embeddings"][bought]),
            "probabilities": ("probabilities", lambda: pool["probabilities"][candidates]),
            "labelled_probabilities": ("probabilities", lambda: pool["probabilities"][bought]),
            "member_probabilities": ("member_probabilities", lambda: pool["member_probabilities"][:, candidates]),
        },
        candidates,
        bought,
        pool["labels"],
        pool["prices"][candidates],
        classes,
        money=float(len(candidates)),
    )
