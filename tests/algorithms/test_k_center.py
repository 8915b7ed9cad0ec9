"""k-center: the picks of the textbook loop, whatever the ties, the chunks and the front."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from labelbench_plus.algorithms.k_center import covering_radius, k_center_greedy


def textbook(features: Tensor, n: int, centers: Tensor | None = None) -> list[int]:
    """Farthest-first traversal in float64, the lowest index of equals."""
    x = features.double()
    distance = torch.full((len(x),), torch.inf).double()
    for c in [] if centers is None else centers.double():
        distance = torch.minimum(distance, (x - c).square().sum(dim=1))
    if centers is None or len(centers) == 0:
        distance = (x - x.mean(dim=0)).square().sum(dim=1)
    picks: list[int] = []
    for _ in range(n):
        if len(picks) == 1 and (centers is None or len(centers) == 0):
            distance = (x - x[picks[0]]).square().sum(dim=1)
        distance[picks] = -1
        picks.append(int(distance.argmax()))
        distance = torch.minimum(distance, (x - x[picks[-1]]).square().sum(dim=1))
    return picks


def clustered(n: int, d: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    means = torch.randn(max(2, n // 40), d, generator=generator)
    return means[torch.randint(len(means), (n,), generator=generator)] + 0.2 * torch.randn(n, d, generator=generator)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 70),
    st.integers(1, 4),
    st.integers(0, 5),
    st.integers(1, 80),
    st.sampled_from([torch.float16, torch.float32, torch.float64]),
    st.integers(0, 10**6),
)
def test_small_integers_full_of_ties_and_duplicates(
    rows: int, d: int, labelled: int, front: int, dtype: torch.dtype, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    # Even integers, an even number of them mirrored: the mean is exact, so that ties at the start are true ties.
    x = torch.randint(-2, 3, (rows, d), generator=generator).to(dtype)
    centers = torch.randint(-2, 3, (labelled, d), generator=generator).to(dtype) if labelled else None
    if centers is None:
        x = torch.cat([x, -x])
    n = int(torch.randint(len(x) + 1, (1,), generator=generator))
    got = k_center_greedy(x, n, centers=centers, front=front)
    assert got.dtype == torch.int64
    assert got.tolist() == textbook(x, n, centers)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("labelled", [0, 40])
def test_picks_of_the_textbook_over_many_fronts(dtype: torch.dtype, labelled: int) -> None:
    x = clustered(500, 24, 1).to(dtype)
    centers = clustered(40, 24, 2).to(dtype) if labelled else None
    expected = textbook(x, 80, centers)
    for front, chunk_bytes in [(None, 2**24), (1, 2**14), (50, 1000), (500, 2**16)]:
        assert k_center_greedy(x, 80, centers=centers, front=front, chunk_bytes=chunk_bytes).tolist() == expected


def test_flat_bounds_of_unclustered_data() -> None:
    x = torch.randn(400, 100, generator=torch.Generator().manual_seed(3))
    assert k_center_greedy(x, 60, front=16).tolist() == textbook(x, 60)


def test_all_points_equally_far_are_taken_in_order() -> None:
    x = torch.eye(90)
    assert k_center_greedy(x, 90, centers=torch.zeros(1, 90), front=20).tolist() == list(range(90))


def test_near_ties_below_single_precision_are_decided_in_double() -> None:
    angle = torch.linspace(0, 1, 40, dtype=torch.float64) * 1e-6
    radius = 1 + torch.rand(40, generator=torch.Generator().manual_seed(4)).double() * 1e-6
    x = torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1).float()
    centers = torch.zeros(1, 2)
    assert k_center_greedy(x, 40, centers=centers).tolist() == textbook(x, 40, centers)


@pytest.mark.parametrize("scale", [1e-22, 1e-12, 1e12, 1e18])
def test_any_scale(scale: float) -> None:
    x = clustered(200, 10, 5).double()
    expected = textbook(x, 50)
    assert k_center_greedy((x * scale), 50, front=32).tolist() == expected
    single = (x * scale).float()
    assert k_center_greedy(single, 50, front=32).tolist() == textbook(single, 50)


def test_a_far_outlier_does_not_change_the_rest() -> None:
    x = torch.cat([clustered(300, 10, 6), torch.full((1, 10), 1e6)])
    assert k_center_greedy(x, 60, front=32).tolist() == textbook(x, 60)


def test_thread_count_does_not_change_the_picks() -> None:
    x, centers = clustered(600, 64, 8), clustered(30, 64, 9)
    before = torch.get_num_threads()
    try:
        picks = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            picks.append([k_center_greedy(x, 12, centers=c, front=128).tolist() for c in (centers, None)])
    finally:
        torch.set_num_threads(before)
    assert picks[0] == picks[1]


@pytest.mark.parametrize("centers", [None, torch.ones(3, 4), torch.zeros(2, 4)])
def test_constant_features_are_taken_in_order(centers: Tensor | None) -> None:
    x = torch.ones(50, 4)
    assert k_center_greedy(x, 50, centers=centers, front=8).tolist() == list(range(50))


def test_edges() -> None:
    x = clustered(20, 3, 10)
    assert k_center_greedy(x, 0).tolist() == []
    assert k_center_greedy(x[:0], 0).tolist() == []
    assert k_center_greedy(x[:1], 1).tolist() == [0]
    assert k_center_greedy(x[:1], 1, centers=x[1:2]).tolist() == [0]
    assert sorted(k_center_greedy(x, 20).tolist()) == list(range(20))
    assert k_center_greedy(x, 5, centers=x[:0]).tolist() == k_center_greedy(x, 5).tolist()
    assert k_center_greedy(x.requires_grad_(), 5).tolist() == k_center_greedy(x.detach(), 5).tolist()
    x = x.detach()
    assert k_center_greedy(x.T.contiguous().T, 5).tolist() == k_center_greedy(x, 5).tolist()


def test_refusals() -> None:
    x = clustered(5, 3, 11)
    with pytest.raises(ValueError, match="cannot pick 6 of 5"):
        k_center_greedy(x, 6)
    with pytest.raises(ValueError, match="front must be at least 1, got 0"):
        k_center_greedy(x, 2, front=0)
    with pytest.raises(ValueError, match="3 columns of features, got 4"):
        k_center_greedy(x, 2, centers=torch.ones(1, 4))
    x[3, 1] = torch.nan
    with pytest.raises(ValueError, match="features must be finite, but row 3"):
        k_center_greedy(x, 2)


def test_covering_radius_is_the_largest_distance_to_the_nearest_chosen_point() -> None:
    x = clustered(300, 7, 12)
    chosen = x[k_center_greedy(x, 20)]
    expected = math.sqrt(float((x.double()[:, None] - chosen.double()[None]).square().sum(2).amin(1).max()))
    for chunk_bytes in (1, 500, 2**24):
        assert covering_radius(x, chosen, chunk_bytes=chunk_bytes) == pytest.approx(expected, rel=1e-12)
    assert covering_radius(x, x) == 0
    assert covering_radius(x[:0], chosen) == 0
    with pytest.raises(ValueError, match="at least one point"):
        covering_radius(x, x[:0])


def test_greedy_radius_is_at_most_twice_the_optimum() -> None:
    x = clustered(12, 2, 13)
    best = min(
        covering_radius(x, x[list(rows)]) for rows in ((i, j, k) for i in range(12) for j in range(i) for k in range(j))
    )
    assert covering_radius(x, x[k_center_greedy(x, 3)]) <= 2 * best


def test_memory_beside_the_features(peak_bytes: Callable[[str, str], int]) -> None:
    setup = """
from labelbench_plus.algorithms.k_center import k_center_greedy
generator = torch.Generator().manual_seed(0)
means = torch.randn(50, 256, generator=generator)
x = means[torch.randint(50, (40_000,), generator=generator)] + 0.3 * torch.randn(40_000, 256, generator=generator)
k_center_greedy(x[:500], 20)
"""
    peak = peak_bytes(setup, "k_center_greedy(x, 60, centers=x[:100] + 0.1)")
    assert peak < 1.5 * 40_000 * 256 * 4
