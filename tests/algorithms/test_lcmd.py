"""LCMD: the picks of a loop that knows all distances, whatever the ties, the duplicates, the chunks and the filters."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from labelbench_plus.algorithms import lcmd as module
from labelbench_plus.algorithms.badge import GradientPoints
from labelbench_plus.algorithms.lcmd import lcmd, lcmd_points
from tests.algorithms.known_regression import FREE, KNOWN, LABELLED, X

Known = list[tuple[Tensor, list[int], list[int]]]
DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]


def slow(x: Tensor, n: int, centers: Tensor | None = None) -> list[int]:
    """All squared distances in float64 at every pick."""
    x = x.double()
    chosen = x[:0] if centers is None else centers.double()
    picks: list[int] = []
    for _ in range(n):
        if len(chosen) == 0:
            pick = int(x.square().sum(dim=1).argmax())
        else:
            squared = (x[:, None] - chosen).square().sum(dim=2)
            nearest = squared.amin(dim=1)
            owner = (squared == nearest[:, None]).int().argmax(dim=1)
            sizes = torch.zeros(len(chosen), dtype=torch.float64).index_add_(0, owner, nearest)
            largest = sizes >= sizes.max() * (1 - 1e-9)
            nearest[~largest[owner]] = -1
            nearest[picks] = -1
            pick = int(nearest.argmax())
        picks.append(pick)
        chosen = torch.cat([chosen, x[[pick]]])
    return picks


def clustered(n: int, d: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    means = 4 * torch.randn(max(2, n // 40), d, generator=generator)
    return means[torch.randint(len(means), (n,), generator=generator)] + 0.3 * torch.randn(n, d, generator=generator)


def test_known_answer() -> None:
    assert FREE[lcmd(X[FREE], 5, centers=X[LABELLED])].tolist() == KNOWN["lcmd"]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 70), st.integers(1, 4), st.integers(0, 6), st.sampled_from(DTYPES), st.integers(0, 10**6)
)  # fmt: skip
def test_small_integers_full_of_ties_and_duplicates(
    rows: int, d: int, labelled: int, dtype: torch.dtype, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(-2, 3, (rows, d), generator=generator).to(dtype)
    centers = torch.randint(-2, 3, (labelled, d), generator=generator).to(dtype)
    n = int(torch.randint(rows + 1, (1,), generator=generator))
    got = lcmd(x, n, centers=centers)
    assert got.dtype == torch.int64
    assert got.tolist() == slow(x, n, centers)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("labelled", [0, 40])
@pytest.mark.parametrize("kind", ["clustered", "flat"])
def test_picks_of_the_definition(dtype: torch.dtype, labelled: int, kind: str) -> None:
    x = clustered(500, 24, 1) if kind == "clustered" else torch.randn(500, 24)
    x, centers = x.to(dtype), clustered(labelled, 24, 2).to(dtype) if labelled else None
    expected = slow(x, 120, centers)
    for chunk_bytes in (2**24, 2**14, 1000):
        assert lcmd(x, 120, centers=centers, chunk_bytes=chunk_bytes).tolist() == expected


@pytest.fixture(scope="module")
def known() -> Known:
    """Pools with what the slow reference picks, with centers and without: it takes seconds."""
    pools = (clustered(400, 8, 3), torch.randn(400, 8, generator=torch.Generator().manual_seed(4)))
    return [(x, slow(x, 150, x[:5] + 0.1), slow(x, 400)) for x in pools]


@pytest.mark.parametrize(("few", "most"), [(1, 4), (10**9, 1), (10**9, 64), (32, 3)])
def test_neither_filter_changes_a_pick(known: Known, few: int, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FEW", few)
    monkeypatch.setattr(module, "MOST_COLUMNS", most)
    for x, with_centers, without in known:
        assert lcmd(x, 150, centers=x[:5] + 0.1).tolist() == with_centers
        assert lcmd(x, 400).tolist() == without


def test_the_farthest_point_of_the_pool_is_not_taken_from_a_small_cluster() -> None:
    x = torch.tensor([[3.0], [100.0], [102.0], [98.0], [97.0], [103.0]])
    assert lcmd(x, 1, centers=torch.tensor([[0.0], [100.0]])).tolist() == [4]  # 26 against 9
    assert lcmd(x[:2], 1, centers=torch.tensor([[0.0], [100.0]])).tolist() == [0]


@pytest.mark.parametrize("scale", [1e-22, 1e-12, 1e12, 1e18])
def test_any_scale(scale: float) -> None:
    x = clustered(200, 10, 5).double()
    assert lcmd(x * scale, 50).tolist() == slow(x * scale, 50)
    single = (x * scale).float()
    assert lcmd(single, 50).tolist() == slow(single, 50)


def test_far_from_the_origin_products_say_little_and_picks_stay_exact() -> None:
    x = torch.cat([clustered(200, 10, 6) + 1000, torch.full((1, 10), 1e6)])
    assert lcmd(x, 60).tolist() == slow(x, 60)


def test_other_geometries_are_known_through_their_products() -> None:
    rng = np.random.default_rng(7)
    p = torch.from_numpy(rng.dirichlet(np.ones(4), size=120))
    h = torch.from_numpy(rng.standard_normal((120, 5)))
    error = p.clone()
    error[torch.arange(120), p.argmax(dim=1)] -= 1
    whole = (error[:, :, None] * h[:, None, :]).flatten(1)
    points = GradientPoints.of(p, h)
    assert lcmd_points(points, 40, centres=points.take(slice(0, 0))).tolist() == slow(whole, 40)
    given = points.take(slice(100, 120))
    assert lcmd_points(points.take(slice(0, 100)), 30, centres=given).tolist() == slow(whole[:100], 30, whole[100:])


def test_thread_count_does_not_change_the_picks() -> None:
    x, centers = clustered(600, 64, 8), clustered(30, 64, 9)
    before = torch.get_num_threads()
    try:
        picks = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            picks.append([lcmd(x, 40, centers=c).tolist() for c in (centers, None)])
    finally:
        torch.set_num_threads(before)
    assert picks[0] == picks[1]


@pytest.mark.parametrize("centers", [None, torch.ones(3, 4), torch.zeros(2, 4)])
def test_constant_features_are_taken_in_order(centers: Tensor | None) -> None:
    assert lcmd(torch.ones(50, 4), 50, centers=centers).tolist() == list(range(50))


def test_edges() -> None:
    x = clustered(20, 3, 10)
    assert lcmd(x, 0).tolist() == []
    assert lcmd(x[:0], 0).tolist() == []
    assert lcmd(x[:1], 1).tolist() == [0]
    assert lcmd(x[:1], 1, centers=x[1:2]).tolist() == [0]
    assert sorted(lcmd(x, 20).tolist()) == list(range(20))
    assert lcmd(x, 5, centers=x[:0]).tolist() == lcmd(x, 5).tolist()
    assert lcmd(x.requires_grad_(), 5).tolist() == lcmd(x.detach(), 5).tolist()


def test_refusals() -> None:
    x = clustered(5, 3, 11)
    with pytest.raises(ValueError, match="cannot pick 6 of 5"):
        lcmd(x, 6)
    with pytest.raises(ValueError, match="3 columns of features, got 4"):
        lcmd(x, 2, centers=torch.ones(1, 4))
    x[3, 1] = torch.nan
    with pytest.raises(ValueError, match="features must be finite, but row 3"):
        lcmd(x, 2)


def test_memory_beside_the_features(peak_bytes: Callable[[str, str], int]) -> None:
    setup = """
from labelbench_plus.algorithms.lcmd import lcmd
x = torch.randn(40_000, 256, generator=torch.Generator().manual_seed(0))
lcmd(x[:500], 20)
"""
    assert peak_bytes(setup, "lcmd(x, 60, centers=x[:100] + 0.1)") < 1.5 * 40_000 * 256 * 4
