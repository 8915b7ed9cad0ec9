"""A pool view made by hand, so that a check can put anything into it."""

from __future__ import annotations

import torch
from torch import Tensor

from labelbench_plus.view import PoolView

EVERYTHING = frozenset(
    {
        *("features", "embeddings", "probabilities", "member_probabilities"),
        *("label_probabilities", "token_uncertainty", "labels", "num_classes"),
    }
)


def random_pool(
    size: int = 60,
    labelled: int = 12,
    classes: int = 4,
    width: int = 6,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
) -> dict[str, Tensor]:
    """Whole-pool tensors: features, embeddings (N, ·), probabilities (N, K), member_probabilities (M, N, K),
    label_probabilities (N, K), token_uncertainty (N, 3), and bought (labelled,), labels (labelled,), prices (N,)."""
    generator, of_labels = (torch.Generator().manual_seed(seed + offset) for offset in (0, 1000))
    features = torch.randn(size, width, generator=generator).to(dtype)
    return {
        "features": features,
        "embeddings": features.relu() + 0.1,
        "probabilities": (2 * torch.randn(size, classes, generator=generator)).softmax(1).to(dtype),
        "member_probabilities": (2 * torch.randn(5, size, classes, generator=generator)).softmax(2).to(dtype),
        "label_probabilities": (2 * torch.randn(size, classes, generator=of_labels)).sigmoid().to(dtype),
        "labels": torch.randint(classes, (labelled,), generator=generator),
        "bought": torch.randperm(size, generator=generator)[:labelled],
        "prices": torch.ones(size, dtype=torch.float64),
        "token_uncertainty": torch.rand(size, 3, generator=generator, dtype=torch.float64),
    }


def make_view(
    size: int = 60,
    labelled: int = 12,
    classes: int = 4,
    width: int = 6,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
    needs: frozenset[str] = EVERYTHING,
    **changed: Tensor,
) -> PoolView:
    """A view of a random pool for a strategy with these `needs`; `changed` replaces tensors of `random_pool`."""
    pool = {**random_pool(size, labelled, classes, width, seed, dtype), **changed}
    bought = pool["bought"]
    unbought = torch.ones(size, dtype=torch.bool)
    unbought[bought] = False
    rows = unbought.nonzero()[:, 0]
    return PoolView(
        needs,
        {
            "features": ("features", lambda: pool["features"][rows]),
            "labelled_features": ("features", lambda: pool["features"][bought]),
            "embeddings": ("embeddings", lambda: pool["embeddings"][rows]),
            "labelled_embeddings": ("embeddings", lambda: pool["embeddings"][bought]),
            "probabilities": ("probabilities", lambda: pool["probabilities"][rows]),
            "labelled_probabilities": ("probabilities", lambda: pool["probabilities"][bought]),
            "member_probabilities": ("member_probabilities", lambda: pool["member_probabilities"][:, rows]),
            "label_probabilities": ("label_probabilities", lambda: pool["label_probabilities"][rows]),
            "token_uncertainty": ("token_uncertainty", lambda: pool["token_uncertainty"][rows]),
        },
        rows.clone(),
        bought.clone(),
        pool["labels"].clone(),
        pool["prices"][rows],
        classes,
        money=float(len(rows)),
    )
