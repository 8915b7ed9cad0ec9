"""Every strategy picks the same items, in the same order, for any number of threads and any chunk size."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from functools import cache
from types import FunctionType
from typing import Any

import numpy as np
import pytest
import torch

from labelbench_plus import algorithms
from labelbench_plus.plugins import registry
from labelbench_plus.view import ItemView
from tests.strategies.make_view import make_view, pool_strategies

SIZE = 1500


def pool(needs: frozenset[str]) -> ItemView:
    """Clusters with exact duplicates, so that sums in another order have ties to break."""
    generator = torch.Generator().manual_seed(0)
    means = 2 * torch.randn(20, 24, generator=generator)
    features = means[torch.randint(20, (SIZE,), generator=generator)] + torch.randn(SIZE, 24, generator=generator)
    features[-100:] = features[:100]
    members = (2 * torch.randn(5, SIZE, 4, generator=generator) + features[:, :4]).softmax(2)
    return make_view(
        size=SIZE,
        labelled=100,
        classes=4,
        needs=needs,
        features=features,
        embeddings=features[:, :12].relu() + 0.1,
        probabilities=members.mean(0),
        member_probabilities=members,
        predictions=features[:, 0] + features[:, 1],
        variance=features[:, 2].square(),
        members=members[..., 0],
    )


def select(name: str) -> list[int]:
    n = 4 if name == "batch_bald" else 15  # it is by far the slowest
    strategy = registry("strategies").build(name)
    chosen: list[int] = strategy.select(pool(strategy.needs), n, np.random.default_rng(0)).tolist()
    return chosen


@cache
def plain(name: str) -> list[int]:
    """The picks with one thread and chunks as they come."""
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        return select(name)
    finally:
        torch.set_num_threads(threads)


def chunked() -> dict[str, dict[str, Any]]:
    """The defaults of every function of the primitives that takes a chunk size."""
    found = {}
    for module in pkgutil.walk_packages(algorithms.__path__, f"{algorithms.__name__}."):
        for item in vars(importlib.import_module(module.name)).values():
            for function in vars(item).values() if inspect.isclass(item) else (item,):
                if isinstance(function, FunctionType) and function.__module__.startswith(algorithms.__name__):
                    defaults = inspect.unwrap(function).__kwdefaults__ or {}
                    if "chunk_bytes" in defaults:
                        found[function.__qualname__] = defaults
    return found


def test_the_primitives_with_chunks_are_found() -> None:
    assert set(chunked()) >= {"d_optimal", "margin", "LogDet.__init__", "probcover", "k_means"}


@pytest.mark.parametrize("name", pool_strategies())
def test_threads_do_not_matter(name: str) -> None:
    expected = plain(name)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        assert select(name) == expected
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("name", pool_strategies())
def test_chunks_do_not_matter(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = plain(name)
    for defaults in chunked().values():
        monkeypatch.setitem(defaults, "chunk_bytes", 2**17)
    assert select(name) == expected
