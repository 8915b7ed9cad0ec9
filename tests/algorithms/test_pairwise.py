"""Squared distances: chunks cover, bounds hold, exact values do not depend on how they were computed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from labelbench_plus.algorithms.blocks.lazy_distances import LazyDistances
from labelbench_plus.algorithms.blocks.pairwise import (
    FeaturePoints,
    exact_squared_distances,
    feature_points,
    folded_row_sums,
    nearest_squared_distances,
    row_chunks,
    squared_distance_bounds,
    squared_distances,
    squared_distances_below,
)


def brute(a: Tensor, b: Tensor) -> Tensor:
    return (a.double()[:, None] - b.double()[None]).square().sum(dim=2)


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("rows", "per_row", "budget"), [(0, 8, 64), (10, 8, 24), (7, 100, 10), (5, 0, 3)])
def test_chunks_cover_all_rows_once_within_the_budget(rows: int, per_row: int, budget: int) -> None:
    chunks = list(row_chunks(rows, per_row, budget))
    assert [i for chunk in chunks for i in range(chunk.start, chunk.stop)] == list(range(rows))
    assert all(chunk.stop - chunk.start == 1 or (chunk.stop - chunk.start) * per_row <= budget for chunk in chunks)


def test_a_chunk_budget_must_be_positive() -> None:
    with pytest.raises(ValueError, match="chunk_bytes must be positive"):
        list(row_chunks(3, 8, 0))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_squared_distances_are_close_and_not_negative(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(9, 5, generator=generator).to(dtype)
    b = torch.cat([a[:3], torch.randn(4, 5, generator=generator).to(dtype)])
    got = squared_distances(a, b)
    assert got.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert bool((got >= 0).all())
    torch.testing.assert_close(got.double(), brute(a, b), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("d", [1, 3, 33, 512, 1000])
def test_exact_values_depend_on_the_two_rows_only(d: int, two_threads: None) -> None:
    a = torch.randn(300, d, generator=torch.Generator().manual_seed(1))
    c = a[7].clone()
    whole = exact_squared_distances(a, c)
    torch.testing.assert_close(whole, brute(a, c[None])[:, 0])
    assert whole[7] == 0
    for size in (1, 2, 17):
        assert torch.equal(whole, torch.cat([exact_squared_distances(part, c) for part in a.split(size)]))
    strided = a.T.contiguous().T
    assert torch.equal(whole, exact_squared_distances(strided, c))
    assert torch.equal(whole, exact_squared_distances(c.expand_as(a), a))
    torch.set_num_threads(1)
    assert torch.equal(whole, exact_squared_distances(a, c))


def test_one_long_row_is_summed_alike_by_any_number_of_threads(two_threads: None) -> None:
    a = torch.randn(3, 100_001, generator=torch.Generator().manual_seed(2))
    whole = exact_squared_distances(a, a[0])
    assert torch.equal(whole[1:2], exact_squared_distances(a[1:2], a[0]))


@pytest.mark.parametrize("d", [0, 1, 2, 7, 64, 513])
def test_sums_by_folding_depend_on_the_row_only(d: int) -> None:
    values = torch.randn(9, d, generator=torch.Generator().manual_seed(8)).double()
    whole = folded_row_sums(values)
    torch.testing.assert_close(whole, values.sum(dim=1))
    assert torch.equal(whole, torch.cat([folded_row_sums(row[None]) for row in values]))


@pytest.mark.parametrize("scale", [1.0, 1e-25, 1e-18, 1e15])
@pytest.mark.parametrize("precision", ["highest", "high", "medium"])
def test_bounds_hold_at_any_scale_and_product_precision(scale: float, precision: str) -> None:
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(60, 20, generator=generator) * torch.logspace(-6, 0, 60)[:, None] * scale
    c = torch.cat([x[::7], torch.randn(5, 20, generator=generator) * scale])
    points, centres = feature_points(x, c)
    true = torch.stack([exact_squared_distances(x, row) for row in centres.features], dim=1)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        lower, upper = squared_distance_bounds(points, centres)
        nearest = nearest_squared_distances(points, centres, torch.full((60,), torch.inf).double(), 1000)
        known = true.median(dim=1).values
        below = squared_distances_below(points, centres, known)
    finally:
        torch.set_float32_matmul_precision(before)
    assert bool((lower <= true).all())
    assert bool((true <= upper).all())
    assert torch.equal(nearest, true.amin(dim=1))
    assert torch.equal(below[true < known[:, None]], true[true < known[:, None]])
    assert bool((below >= true).all())


def test_a_centre_of_large_norm_does_not_hide_the_near_ones() -> None:
    x = torch.randn(50, 8, generator=torch.Generator().manual_seed(4))
    c = torch.cat([x[:3] + 0.1, torch.full((1, 8), 1e6)])
    points, centres = feature_points(x, c)
    nearest = nearest_squared_distances(points, centres, torch.full((50,), torch.inf).double(), 10**6)
    assert torch.equal(nearest, torch.stack([exact_squared_distances(x, row) for row in c], dim=1).amin(dim=1))


def test_lazy_distances_are_upper_bounds_and_exact_when_refreshed() -> None:
    x = torch.randn(80, 6, generator=torch.Generator().manual_seed(5))
    points = FeaturePoints.of(x, "x")
    lazy = LazyDistances.exact(points, points.take(slice(0, 3)), 500)
    generator = torch.Generator().manual_seed(6)
    for stop in (4, 9, 10, 30):
        lazy.add(points.take(slice(len(lazy.centres), stop)))
        rows = torch.randperm(80, generator=generator)[:25]
        lazy.refresh(rows)
        true = torch.stack([exact_squared_distances(x, row) for row in x[:stop]], dim=1).amin(dim=1)
        assert torch.equal(lazy.bound[rows], true[rows])
        assert bool((lazy.bound >= true).all())
    lazy.refresh(torch.arange(80))
    assert torch.equal(lazy.bound, true)


def test_equal_centres_are_kept_once_and_columns_must_match() -> None:
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(7))
    assert len(feature_points(x, x[[0, 1, 0, 0]])[1]) == 2
    assert len(feature_points(x, None)[1]) == 0
    with pytest.raises(ValueError, match="centers must have the 3 columns"):
        feature_points(x, torch.ones(2, 5))
    with pytest.raises(ValueError, match=r"features must be floating point, got torch\.int64"):
        feature_points(torch.ones(2, 3).long(), None)
    with pytest.raises(ValueError, match=r"features must be a matrix \(rows, columns\), got shape \(4,\)"):
        feature_points(x[:, 0].repeat(1), None)
    with pytest.raises(ValueError, match="features are too large: the squared norm of row 2 overflows"):
        feature_points(torch.tensor([[1.0], [2.0], [1e200]], dtype=torch.float64), None)
    with pytest.raises(ValueError, match="centers must be finite, but row 1"):
        feature_points(x, torch.tensor([[0.0, 0, 0], [0, torch.nan, 0]]))
