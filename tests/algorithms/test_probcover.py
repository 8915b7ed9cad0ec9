"""ProbCover: coverage of plain greedy, and the radius of the purity rule."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from labelbench_plus.algorithms.blocks.lazy_greedy import lazy_greedy
from labelbench_plus.algorithms.k_means import k_means
from labelbench_plus.algorithms.probcover import Coverage, probcover, purity_delta


def within(a: Tensor, b: Tensor, delta: float) -> Tensor:
    return torch.stack([(row - b.double()).square().sum(dim=1) < delta**2 for row in a.double()])


def textbook(features: Tensor, n: int, delta: float, centers: Tensor | None) -> list[int]:
    covers = within(features, features, delta)
    covered = torch.zeros(len(features), dtype=torch.bool)
    if centers is not None:
        covered = within(features, centers, delta).any(dim=1)
    picks: list[int] = []
    for _ in range(n):
        gains = (covers & ~covered).sum(dim=1)
        gains[picks] = -1
        picks.append(int((gains == gains.max()).nonzero()[0]))
        covered |= covers[picks[-1]]
    return picks


@settings(max_examples=50, deadline=None)
@given(
    st.integers(1, 50),
    st.integers(1, 3),
    st.integers(0, 4),
    st.sampled_from([0.5, 1.0, 2.0**0.5, 2.0, 30.0]),
    st.sampled_from([torch.float16, torch.float32, torch.float64]),
    st.integers(0, 10**6),
)
def test_small_integers_with_rows_right_on_the_sphere(
    rows: int, d: int, labelled: int, delta: float, dtype: torch.dtype, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(0, 4, (rows, d), generator=generator).to(dtype)
    centers = torch.randint(0, 4, (labelled, d), generator=generator).to(dtype) if labelled else None
    n = int(torch.randint(rows + 1, (1,), generator=generator))
    got = probcover(x, n, delta, centers=centers, chunk_bytes=1000)
    assert got.dtype == torch.int64
    assert got.tolist() == textbook(x, n, delta, centers)


@pytest.mark.parametrize("rank", [3, 20])
def test_every_row_belongs_to_the_graph(rank: int) -> None:
    generator = torch.Generator().manual_seed(rank)
    x = torch.randn(2100, rank, generator=generator) @ torch.randn(rank, 20, generator=generator)
    x[2060:] = 9.0  # beyond the last full tile
    squared = (x[0].double() - x.double()).square().sum(dim=1)
    delta = float(squared.kthvalue(30).values) ** 0.5
    centers = x[:4] + 0.01
    got = probcover(x, 120, delta, centers=centers).tolist()
    assert got == textbook(x, 120, delta, centers)
    assert 2060 in got


def test_covered_rows_are_told_and_a_reset_starts_anew() -> None:
    x = torch.randn(200, 2, generator=torch.Generator().manual_seed(0))
    coverage = Coverage(x, 0.4, centers=x[:3])
    first = lazy_greedy(coverage, 10)
    expected = within(x, torch.cat([x[:3], x[first]]), 0.4).any(dim=1)
    assert torch.equal(coverage.covered, expected)
    assert lazy_greedy(coverage, 10).tolist() == first.tolist()


def test_a_graph_that_is_too_large_is_refused_in_numbers() -> None:
    x = torch.randn(500, 2, generator=torch.Generator().manual_seed(0))
    with pytest.raises(MemoryError, match=r"delta=100 has about 2.5e\+05 edges, .* smaller delta"):
        probcover(x, 1, 100.0, graph_bytes=10**5)
    assert len(probcover(x, 1, 100.0, graph_bytes=25 * 10**5)) == 1


def test_edges() -> None:
    x = torch.randn(10, 3, generator=torch.Generator().manual_seed(0))
    assert probcover(x, 0, 1.0).tolist() == []
    assert probcover(x[:0], 0, 1.0).tolist() == []
    assert probcover(x[:1], 1, 1.0).tolist() == [0]
    assert probcover(torch.ones(4, 2), 4, 1.0).tolist() == [0, 1, 2, 3]
    assert probcover(x, 10, 1e-9).tolist() == list(range(10))
    for delta in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="delta"):
            probcover(x, 1, delta)
    with pytest.raises(ValueError, match="row 0"):
        probcover(torch.full((2, 2), torch.nan), 1, 1.0)
    with pytest.raises(ValueError, match="11 of 10"):
        probcover(x, 11, 1.0)


@pytest.mark.parametrize("purity", [1.0, 0.95, 0.8, 0.01])
def test_delta_is_the_largest_with_the_purity(purity: float) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(200, 3, generator=generator)
    delta = purity_delta(x, 5, np.random.default_rng(1), purity=purity)
    labels = k_means(x, 5, np.random.default_rng(1)).labels

    def pure(radius: float) -> float:
        same = labels[:, None] == labels
        return float((~within(x, x, radius) | same).all(dim=1).double().mean())

    assert pure(delta) >= purity
    assert pure(delta * (1 + 1e-6)) < purity


def test_purity_of_separate_clusters_is_their_gap() -> None:
    x = torch.tensor([0.0, 0.1, 0.2, 5.0, 5.1, 5.3])[:, None]
    assert purity_delta(x, 2, np.random.default_rng(0), purity=1.0) == pytest.approx(4.8)
    with pytest.raises(ValueError, match="num_classes"):
        purity_delta(x, 1, np.random.default_rng(0))
    with pytest.raises(ValueError, match="purity"):
        purity_delta(x, 2, np.random.default_rng(0), purity=0.0)
    with pytest.raises(ValueError, match="no positive delta"):
        purity_delta(torch.ones(5, 2), 2, np.random.default_rng(0))


def test_memory_stays_far_below_all_pairs(peak_bytes: Callable[[str, str], int]) -> None:
    setup = """
from labelbench_plus.algorithms.probcover import probcover
x = torch.randn(8000, 8, generator=torch.Generator().manual_seed(0))
probcover(x[:500], 5, 1.0)
"""
    assert peak_bytes(setup, "probcover(x, 5, 1.0, chunk_bytes=2**22)") < 120e6  # all pairs: 256 MB


def test_balls_that_hold_one_row_each_are_told(caplog):
    x = torch.arange(6.0)[:, None]
    assert probcover(x, 2, 0.5).tolist() == [0, 1] and "rows are picked in their order" in caplog.text
    caplog.clear()
    assert probcover(x, 2, 1.5).tolist() == [1, 4] and not caplog.messages


def test_the_old_name_still_works() -> None:
    from labelbench_plus.algorithms import prob_cover as old

    assert (old.prob_cover, old.Coverage, old.purity_delta) == (probcover, Coverage, purity_delta)
