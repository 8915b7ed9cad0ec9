"""Nearest neighbours: those of a full sort, ties by lowest index."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from labelbench_plus.algorithms.blocks import neighbours
from labelbench_plus.algorithms.blocks.neighbours import nearest_neighbours, nearest_of_other_label, pair_distances
from labelbench_plus.algorithms.blocks.pairwise import exact_squared_distances


def textbook(queries: Tensor, k: int, points: Tensor | None) -> tuple[Tensor, Tensor]:
    others = queries if points is None else points
    squared = (queries.double()[:, None] - others.double()[None]).square().sum(dim=2)
    if points is None:
        squared.fill_diagonal_(torch.inf)
    values, indices = squared.sort(dim=1, stable=True)
    return indices[:, :k], values[:, :k]


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 60),
    st.integers(0, 60),
    st.integers(1, 5),
    st.booleans(),
    st.sampled_from([torch.float16, torch.float32, torch.float64]),
    st.sampled_from([1, 3000, 2**24]),
    st.integers(0, 10**6),
)
def test_small_integers_full_of_ties(
    rows: int, others: int, d: int, spread: bool, dtype: torch.dtype, chunk_bytes: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    high = 40 if spread else 3
    x = torch.randint(0, high, (rows, d), generator=generator).to(dtype)
    points = torch.randint(0, high, (others, d), generator=generator).to(dtype) if others else None
    k = int(torch.randint((others or rows - 1) + 1, (1,), generator=generator))
    got = nearest_neighbours(x, k, points=points, chunk_bytes=chunk_bytes)
    indices, squared = textbook(x, k, points)
    assert torch.equal(got.indices, indices)
    assert torch.equal(got.squared_distances, squared)


@pytest.mark.parametrize(("rank", "k"), [(4, 1), (4, 60), (40, 7)])
def test_many_rows_in_many_dimensions(rank: int, k: int) -> None:
    generator = torch.Generator().manual_seed(rank)
    x = torch.randn(1200, rank, generator=generator) @ torch.randn(rank, 40, generator=generator)
    x[100:130] = x[7]  # more duplicates than some k
    got = nearest_neighbours(x, k)
    indices, squared = textbook(x, k, None)
    assert torch.equal(got.indices, indices)
    assert torch.allclose(got.squared_distances, squared)
    across = nearest_neighbours(x[:50], k, points=x[40:])
    assert torch.equal(across.indices, textbook(x[:50], k, x[40:])[0])


def test_a_few_far_rows_do_not_loosen_the_bounds_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounding errors grow with norms. A row that is a million times as far away must not stand for all."""
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(1200, 90, generator=generator)
    x[::100] *= 1000.0
    looked_at = []

    def counting(queries: Tensor, points: Tensor, query: Tensor, point: Tensor) -> Tensor:
        looked_at.append(len(query))
        return pair_distances(queries, points, query, point)

    monkeypatch.setattr(neighbours, "pair_distances", counting)
    got = nearest_neighbours(x, 9)
    assert torch.equal(got.indices, textbook(x, 9, None)[0])
    assert sum(looked_at) < 2 * 9 * 1200 + 12 * 1200  # from afar all look equally near
    looked_at.clear()
    nearest_of_other_label(x, torch.arange(1200) % 3)
    assert sum(looked_at) < 2 * 1200 + 12 * 1200


def test_constant_features_give_the_lowest_indices() -> None:
    got = nearest_neighbours(torch.full((6, 3), 0.1), 3)
    assert got.indices.tolist() == [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2], [0, 1, 2], [0, 1, 2]]
    assert (got.squared_distances == 0).all()


def test_distances_of_pairs_are_the_exact_ones() -> None:
    x = torch.randn(50, 33, generator=torch.Generator().manual_seed(0))
    first, second = torch.arange(49), torch.arange(1, 50)
    got = pair_distances(x.double(), x, first, second)
    assert torch.equal(got, exact_squared_distances(x[:-1], x[1:]))


@pytest.mark.parametrize("labels", [1, 2, 40, 200])
def test_nearest_of_other_label(labels: int) -> None:
    generator = torch.Generator().manual_seed(labels)
    x = torch.randint(0, 4, (200, 3), generator=generator).float() + 0.1 * torch.rand(200, 3, generator=generator)
    label = torch.randint(0, labels, (200,), generator=generator) * 3 - 5
    squared = (x.double()[:, None] - x.double()[None]).square().sum(dim=2)
    expected = squared.masked_fill(label[:, None] == label, torch.inf).amin(dim=1)
    assert torch.equal(nearest_of_other_label(x, label, chunk_bytes=2**14), expected)


def test_bad_arguments_are_refused() -> None:
    x = torch.randn(5, 3)
    with pytest.raises(ValueError, match="cannot pick 5 of 4 neighbours"):
        nearest_neighbours(x, 5)
    with pytest.raises(ValueError, match="columns"):
        nearest_neighbours(x, 1, points=torch.randn(4, 2))
    with pytest.raises(ValueError, match="row 0"):
        nearest_neighbours(x, 1, points=torch.full((4, 3), torch.nan))
    with pytest.raises(ValueError, match="labels"):
        nearest_of_other_label(x, torch.zeros(4))
    assert nearest_neighbours(x, 0).indices.shape == (5, 0)
    assert nearest_neighbours(x[:1], 0).indices.shape == (1, 0)
    assert nearest_neighbours(x[:0], 0).indices.shape == (0, 0)


def test_memory_stays_far_below_all_pairs(peak_bytes: Callable[[str, str], int]) -> None:
    setup = """
from labelbench_plus.algorithms.blocks import neighbours
from labelbench_plus.algorithms.blocks.neighbours import nearest_neighbours
x = torch.randn(8000, 8, generator=torch.Generator().manual_seed(0))
nearest_neighbours(x[:500], 5)
"""
    assert peak_bytes(setup, "nearest_neighbours(x, 5, chunk_bytes=2**22)") < 100e6  # all pairs: 256 MB
