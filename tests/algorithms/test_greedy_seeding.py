"""Greedy k-means++ beside a plain loop that computes every distance at every pick."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from labelbench_plus.algorithms.d2_sampling import draw
from labelbench_plus.algorithms.greedy_seeding import greedy_k_means_pp
from labelbench_plus.algorithms.k_means import k_means


def textbook(features: Tensor, n: int, seed: int, trials: int, weights: np.ndarray) -> list[int]:
    x = features.double().numpy()
    rng = np.random.default_rng(seed)
    picks = [int(draw(weights, rng.random(1))[0])]
    nearest = ((x - x[picks[0]]) ** 2).sum(axis=1)
    while len(picks) < n:
        after = {
            row: np.minimum(nearest, ((x - x[row]) ** 2).sum(axis=1))
            for row in sorted(set(draw(weights * nearest, rng.random(trials)).tolist()))
        }
        best = min(after, key=lambda row: float(weights @ after[row]))
        picks.append(best)
        nearest = after[best]
    return picks


def clouds(n: int, d: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    means = 3 * torch.randn(6, d, generator=generator)
    return means[torch.randint(6, (n,), generator=generator)] + torch.randn(n, d, generator=generator)


@pytest.mark.parametrize("d", [2, 40])
@pytest.mark.parametrize("trials", [1, 2, 8])
@pytest.mark.parametrize("weighted", [False, True])
def test_picks_are_the_textbook_ones(d: int, trials: int, weighted: bool) -> None:
    x = clouds(400, d, seed=d)
    x[200:260] = x[:60]  # copies
    x[-1] *= 1000  # one far out
    weights = torch.rand(400, generator=torch.Generator().manual_seed(5)).double() if weighted else None
    expected = textbook(x, 30, 3, trials, np.ones(400) if weights is None else weights.numpy())
    got = greedy_k_means_pp(x, 30, np.random.default_rng(3), trials=trials, weights=weights)
    assert got.tolist() == expected


def test_more_trials_leave_less_potential_and_less_inertia() -> None:
    x = clouds(1500, 10, seed=1)

    def inertia(trials: int, iterations: int) -> float:
        found = [
            k_means(x, 60, np.random.default_rng(seed), trials=trials, max_iterations=iterations).inertia
            for seed in range(6)
        ]
        return sum(found)

    assert inertia(6, 0) < 0.9 * inertia(1, 0)
    assert inertia(6, 300) < inertia(1, 300)


def test_chunks_and_threads_do_not_change_the_picks() -> None:
    x = clouds(900, 20, seed=2)
    before = torch.get_num_threads()
    try:
        found = []
        for threads, chunk_bytes in ((1, 2**24), (1, 10**4), (3, 2**24)):
            torch.set_num_threads(threads)
            found.append(greedy_k_means_pp(x, 40, np.random.default_rng(0), trials=5, chunk_bytes=chunk_bytes))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(other, found[0]) for other in found[1:])


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_copies_come_last(dtype: torch.dtype) -> None:
    x = torch.arange(5).repeat(4)[:, None].to(dtype)
    picks = greedy_k_means_pp(x, 20, np.random.default_rng(0), trials=3).tolist()
    assert sorted(picks) == list(range(20))
    assert {row % 5 for row in picks[:5]} == set(range(5))


def test_edges_and_refusals() -> None:
    x, rng = clouds(10, 3, seed=0), np.random.default_rng(0)
    assert greedy_k_means_pp(x, 0, rng, trials=2).tolist() == []
    assert len(greedy_k_means_pp(x, 1, rng, trials=2)) == 1
    assert sorted(greedy_k_means_pp(x, 10, rng, trials=2).tolist()) == list(range(10))
    with pytest.raises(ValueError, match="trials must be at least 1, got 0"):
        greedy_k_means_pp(x, 2, rng, trials=0)
    with pytest.raises(ValueError, match="trials must be at least 1, got 0"):
        k_means(x, 2, rng, trials=0)
    with pytest.raises(ValueError, match="cannot pick 11 of 10"):
        greedy_k_means_pp(x, 11, rng, trials=2)
    with pytest.raises(ValueError, match="weights must have shape"):
        greedy_k_means_pp(x, 2, rng, trials=2, weights=torch.ones(9))
    with pytest.raises(ValueError, match="row 3"):
        greedy_k_means_pp(x.index_fill(0, torch.tensor([3]), torch.inf), 2, rng, trials=2)


def test_memory_stays_linear(peak_bytes: Callable[[str, str], int]) -> None:
    setup = """
import numpy as np
from labelbench_plus.algorithms.greedy_seeding import greedy_k_means_pp
x = torch.randn(40000, 8, generator=torch.Generator().manual_seed(0))
greedy_k_means_pp(x[:500], 5, np.random.default_rng(0), trials=2)
"""
    code = "greedy_k_means_pp(x, 300, np.random.default_rng(0), trials=8, chunk_bytes=2**20)"
    assert peak_bytes(setup, code) < 60e6  # N × n: 96 MB
