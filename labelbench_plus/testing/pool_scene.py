"""A pool view made by hand, so that a check can put anything into it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from labelbench_plus.view import ItemView, PoolView

ITEMS_ALONG = {
    **dict.fromkeys(("features", "embeddings", "probabilities", "label_probabilities", "token_uncertainty"), 0),
    **dict.fromkeys(("mean_token_uncertainty", "predictions", "tasks", "variance"), 0),
    **dict.fromkeys(("member_probabilities", "members"), 1),
}
"""The dimension along which the pool's items lie, of what is about them."""
EVERYTHING = frozenset({*ITEMS_ALONG, "labels", "num_classes"})
OF_NUMBERS = frozenset({"predictions", "variance", "members"})
"""Whoever reads these, and no labels, is shown answers that are numbers."""
LABELLED_TOO = ("features", "embeddings", "probabilities", "predictions", "tasks")


def random_pool(
    size: int = 60,
    labelled: int = 12,
    classes: int = 4,
    width: int = 6,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
) -> dict[str, Tensor]:
    """Whole-pool tensors: features, embeddings (N, ·), probabilities (N, K), member_probabilities (M, N, K),
    label_probabilities (N, K), token_uncertainty, mean_token_uncertainty (N, 3), predictions (N,), variance (N,),
    members (M, N), tasks (N,), and bought (labelled,), labels (labelled,), values (labelled,), prices (N,)."""
    generator, of_labels, of_numbers, of_texts = (
        torch.Generator().manual_seed(seed + offset) for offset in (0, 1000, 2000, 3000)
    )
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
        "mean_token_uncertainty": torch.rand(size, 3, generator=of_texts, dtype=torch.float64),
        "tasks": torch.randint(classes, (size,), generator=of_texts),
        "predictions": torch.randn(size, generator=of_numbers).to(dtype),
        "variance": (0.1 + torch.rand(size, generator=of_numbers)).to(dtype),
        "members": torch.randn(5, size, generator=of_numbers).to(dtype),
        "values": torch.randn(labelled, generator=of_numbers, dtype=torch.float64),
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
) -> ItemView:
    """A view of a random pool for a strategy with these `needs`; `changed` replaces tensors of `random_pool`."""
    pool = {**random_pool(size, labelled, classes, width, seed, dtype), **changed}
    bought = pool["bought"]
    unbought = torch.ones(size, dtype=torch.bool)
    unbought[bought] = False
    rows = unbought.nonzero()[:, 0]

    def of(name: str, items: Tensor) -> Callable[[], Tensor]:
        return lambda: pool[name].index_select(ITEMS_ALONG[name], items)

    providers = {name: (name, of(name, rows)) for name in ITEMS_ALONG}
    providers |= {f"labelled_{name}": (name, of(name, bought)) for name in LABELLED_TOO}
    shown = (rows.clone(), bought.clone())
    money = float(len(rows))
    if needs & OF_NUMBERS and "labels" not in needs:
        return ItemView(needs, providers, *shown, pool["values"].clone(), pool["prices"][rows], money)
    return PoolView(needs, providers, *shown, pool["labels"].clone(), pool["prices"][rows], classes, money)
