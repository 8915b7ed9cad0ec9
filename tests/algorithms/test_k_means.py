"""k-means: a fixed point of Lloyd's iteration, whatever the chunks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from labelbench_plus.algorithms.d2_sampling import k_means_pp
from labelbench_plus.algorithms.k_means import k_means


def lloyd(x: Tensor, start: Tensor, weights: Tensor, iterations: int) -> tuple[Tensor, Tensor]:
    """Plain Lloyd for data on which no cluster is ever lost."""
    x, centers = x.double(), x[start].double()
    for _ in range(iterations + 1):
        labels = torch.cdist(x, centers, compute_mode="donot_use_mm_for_euclid_dist").argmin(dim=1)
        before = centers
        centers = torch.stack(
            [
                (x[labels == k] * weights[labels == k, None]).sum(0) / weights[labels == k].sum()
                for k in range(len(start))
            ]
        )
    return labels, before


def blobs(n: int, d: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    means = 2 * torch.randn(8, 3, generator=generator)
    z = means[torch.randint(8, (n,), generator=generator)] + torch.randn(n, 3, generator=generator)
    return z @ torch.randn(3, d, generator=generator) + 0.1 * torch.randn(n, d, generator=generator)


@pytest.mark.parametrize("d", [3, 40])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("iterations", [0, 1, 5])
def test_the_iterations_are_lloyds(d: int, weighted: bool, iterations: int) -> None:
    x = blobs(700, d, seed=d)
    weights = torch.rand(700, generator=torch.Generator().manual_seed(1)).double() if weighted else None
    start = k_means_pp(x, 9, np.random.default_rng(3), weights=weights)
    ones = torch.ones(700).double()
    labels, centers = lloyd(x, start, ones if weights is None else weights, iterations)
    got = k_means(x, 9, np.random.default_rng(3), weights=weights, max_iterations=iterations, tolerance=0.0)
    assert got.iterations == iterations
    assert torch.equal(got.labels, labels)
    assert torch.allclose(got.centers, centers)
    cost = (x.double() - centers[labels]).square().sum(dim=1) * (ones if weights is None else weights)
    assert got.inertia == pytest.approx(float(cost.sum()))


def test_it_converges_to_a_fixed_point() -> None:
    x = blobs(900, 20, seed=0)
    got = k_means(x, 12, np.random.default_rng(0), tolerance=0.0)
    assert got.iterations < 300
    means = torch.stack([x[got.labels == k].double().mean(dim=0) for k in range(12)])
    assert torch.allclose(got.centers, means)
    assert torch.equal(got.labels, torch.cdist(x.double(), got.centers).argmin(dim=1))
    loose = k_means(x, 12, np.random.default_rng(0), tolerance=1e-2)
    assert loose.iterations < got.iterations
    assert loose.inertia >= got.inertia


def test_chunks_and_threads_do_not_change_a_bit() -> None:
    x = blobs(2000, 50, seed=4)
    before = torch.get_num_threads()
    try:
        found = []
        for threads, chunk_bytes in ((1, 2**24), (1, 10**5), (3, 2**24)):
            torch.set_num_threads(threads)
            found.append(k_means(x, 20, np.random.default_rng(0), chunk_bytes=chunk_bytes))
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        assert torch.equal(other.labels, found[0].labels)
        assert torch.equal(other.centers, found[0].centers)


@settings(max_examples=50, deadline=None)
@given(
    st.integers(1, 40),
    st.integers(1, 3),
    st.booleans(),
    st.sampled_from([torch.float16, torch.float32, torch.float64]),
    st.integers(0, 10**6),
)
def test_ties_duplicates_and_zero_weights(rows: int, d: int, weighted: bool, dtype: torch.dtype, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(0, 3, (rows, d), generator=generator).to(dtype)
    k = int(torch.randint(1, rows + 1, (1,), generator=generator))
    weights = torch.randint(0, 3, (rows,), generator=generator).double() if weighted else None
    if weights is not None:
        weights[int(torch.randint(rows, (1,), generator=generator))] = 1.0
    got = k_means(x, k, np.random.default_rng(seed), weights=weights, tolerance=0.0)
    squared = (x.double()[:, None] - got.centers[None]).square().sum(dim=2)
    own = squared.gather(1, got.labels[:, None])[:, 0]
    assert torch.isfinite(got.centers).all()
    assert (own <= squared.amin(dim=1) + 1e-12).all()
    distinct = len(x.unique(dim=0))
    if weights is None and k >= distinct:
        assert got.inertia == 0.0
    if weights is None:
        assert len(got.labels.unique()) == min(k, distinct)


def test_a_lost_cluster_takes_over_the_worst_row() -> None:
    # Two seeds on one spot: the second loses its ties to the first, and is given the far row.
    x = torch.tensor([0.0, 0.0, 1.0, 9.0])[:, None]
    for seed in range(20):
        got = k_means(x, 3, np.random.default_rng(seed), tolerance=0.0)
        assert got.inertia == 0.0
        assert got.labels[0] == got.labels[1]


def test_bad_arguments_are_refused() -> None:
    x = blobs(10, 3, seed=0)
    rng = np.random.default_rng(0)
    for k in (0, 11):
        with pytest.raises(ValueError, match="num_clusters"):
            k_means(x, k, rng)
    for weights in (torch.ones(9), -torch.ones(10), torch.zeros(10), torch.full((10,), torch.nan)):
        with pytest.raises(ValueError, match="weights"):
            k_means(x, 2, rng, weights=weights)
    with pytest.raises(ValueError, match="row 3"):
        k_means(x.index_fill(0, torch.tensor([3]), torch.inf), 2, rng)


def test_memory_stays_far_below_rows_times_clusters(peak_bytes: Callable[[str, str], int]) -> None:
    setup = """
import numpy as np
from labelbench_plus.algorithms.k_means import k_means
x = torch.randn(20000, 8, generator=torch.Generator().manual_seed(0))
k_means(x[:500], 5, np.random.default_rng(0))
"""
    code = "k_means(x, 800, np.random.default_rng(0), max_iterations=2, chunk_bytes=2**22)"
    assert peak_bytes(setup, code) < 50e6  # N × K: 64 MB
