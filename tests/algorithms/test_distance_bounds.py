"""Bounds on distances hold whatever the data, and tiles cover every pair once."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from labelbench_plus.algorithms.blocks.distance_bounds import DistanceBounds, true_entries


def exact(a: Tensor, b: Tensor) -> Tensor:
    return (a.double()[:, None] - b.double()[None]).square().sum(dim=2)


def low_rank(n: int, d: int, rank: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, rank, generator=generator) @ torch.randn(rank, d, generator=generator)
    return x + 0.05 * torch.randn(n, d, generator=generator)


DATA = {
    "low rank": low_rank(300, 120, 6, 0),
    "isotropic": torch.randn(200, 50, generator=torch.Generator().manual_seed(1)),
    "offset": low_rank(150, 60, 4, 2) + 300.0,
    "huge": low_rank(100, 30, 3, 3) * 1e25,
    "tiny": low_rank(100, 30, 3, 4).double() * 1e-25,
    "half": low_rank(100, 40, 4, 5).half(),
    "outlier": torch.cat([low_rank(99, 30, 3, 6), torch.full((1, 30), 1e4)]),
    "constant": torch.ones(20, 12),
    "duplicates": low_rank(10, 40, 3, 7).repeat(5, 1),
    "one row": torch.randn(1, 40, generator=torch.Generator().manual_seed(8)),
    "one column": torch.arange(30.0)[:, None],
}


@pytest.mark.parametrize("name", DATA)
def test_the_distance_lies_between_the_bounds(name: str) -> None:
    x = DATA[name]
    bounds = DistanceBounds(x, chunk_bytes=10**4)
    everyone = torch.arange(len(x))
    true = exact(x, x) / bounds.unit
    lower = bounds.lower(slice(None), slice(None)).double()
    gap = bounds.gap(everyone[:, None], everyone).double()
    assert (lower <= true).all()
    assert (true <= lower + gap).all()


def test_a_thin_subspace_is_found_and_the_bounds_are_tight() -> None:
    x = low_rank(2000, 200, 6, 0)
    bounds = DistanceBounds(x)
    assert bounds.lower(slice(0, 1), slice(0, 1)).numel() == 1
    assert bounds._points.shape[1] < 20
    everyone = torch.arange(200)
    true = exact(x[:200], x[:200]) / bounds.unit
    assert bounds.gap(everyone[:, None], everyone).mean() < 0.02 * true.mean()


def test_queries_and_points_may_differ() -> None:
    x, y, z = low_rank(90, 60, 5, 1), low_rank(40, 60, 5, 2) + 1.0, low_rank(7, 60, 60, 3)
    bounds = DistanceBounds(x, y)
    for other, points in ((bounds, x), (bounds.against(z), z)):
        lower = other.lower(slice(None), slice(None)).double()
        gap = other.gap(torch.arange(40)[:, None], torch.arange(len(points))).double()
        true = exact(y, points) / other.unit
        assert other.points == len(points)
        assert (lower <= true).all() and (true <= lower + gap).all()


def test_tiles_cover_every_pair_once() -> None:
    x = low_rank(37, 20, 3, 0)
    bounds = DistanceBounds(x)
    seen = torch.zeros(37, 37, dtype=torch.int64)
    whole = bounds.lower(slice(None), slice(None))
    for rows, columns, tile in bounds.half_tiles(10):
        assert torch.allclose(tile, whole[rows, columns], atol=1e-5)
        seen[rows, columns] += 1
        if rows != columns:
            seen[columns, rows] += 1
    assert (seen == 1).all()
    tiles = list(bounds.tiles(torch.tensor([3, 1]), 10))
    assert torch.allclose(torch.cat([tile for _, tile in tiles], dim=1), whole[[3, 1]], atol=1e-5)
    assert [columns.start for columns, _ in tiles] == [0, 10, 20, 30]


def test_grouped_queries_is_a_permutation_that_keeps_clusters_together() -> None:
    cluster = torch.randint(4, (400,), generator=torch.Generator().manual_seed(0))
    order = DistanceBounds(torch.eye(4)[cluster] * 10 + 0.01 * low_rank(400, 4, 2, 0)).grouped_queries()
    assert order.sort().values.tolist() == list(range(400))
    changes = (cluster[order][1:] != cluster[order][:-1]).sum()
    assert changes < 40


def test_reduced_precision_products_do_not_break_the_bounds() -> None:
    x = DATA["low rank"]
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        bounds = DistanceBounds(x)
        lower = bounds.lower(slice(None), slice(None)).double()
        assert (lower <= exact(x, x) / bounds.unit).all()
    finally:
        torch.set_float32_matmul_precision(before)


def test_true_entries_are_those_of_nonzero() -> None:
    mask = torch.rand(13, 29, generator=torch.Generator().manual_seed(0)) < 0.2
    rows, columns = true_entries(mask)
    assert torch.equal(torch.stack([rows, columns]), mask.nonzero().T)
