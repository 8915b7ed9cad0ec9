"""CLUE: centres that are pulled by entropy, and the nearest row to each that is still free."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from labelbench_plus.algorithms import clue as module
from labelbench_plus.algorithms.clue import clue
from labelbench_plus.algorithms.uncertainty import entropy


def pool(n: int, k: int, d: int, seed: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    p = (torch.randn(n, k, generator=generator, dtype=torch.float64) * 2).softmax(1)
    return p.to(dtype), torch.randn(n, d, generator=generator, dtype=torch.float64).to(dtype)


def slow_nearest(centres: Tensor, points: Tensor) -> list[int]:
    picks: list[int] = []
    for centre in centres.double():
        distance = [float(((point - centre) ** 2).sum()) for point in points.double()]
        picks.append(min((i for i in range(len(distance)) if i not in picks), key=lambda i: (distance[i], i)))
    return picks


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_centres_choose_the_nearest_free_row_in_turn(dtype: torch.dtype, offset: float) -> None:
    # Far from the origin, where products of matrices in single precision cannot tell the rows apart.
    h = (pool(40, 2, 3, seed=0)[1] + offset).to(dtype)
    centres = torch.cat([h[[3, 3, 3, 17]].double() + 1e-3, torch.full((4, 3), offset, dtype=torch.float64)])
    for chunk_bytes in (1, 2**20):
        assert module._nearest_distinct_rows(centres, h, chunk_bytes).tolist() == slow_nearest(centres, h)


def test_duplicates_go_in_index_order_whatever_the_chunk() -> None:
    _, h = pool(20, 2, 5, seed=1, dtype=torch.float32)
    h = h.repeat(3, 1)
    centres = h[:10].double().repeat_interleave(2, dim=0)
    expected = [row for i in range(10) for row in (i, i + 20)]
    for chunk_bytes in (1, 3_000, 2**20):
        assert module._nearest_distinct_rows(centres, h, chunk_bytes).tolist() == expected


def test_one_centre_is_the_entropy_weighted_mean() -> None:
    p, h = pool(50, 3, 2, seed=2)
    weights = entropy(p)
    mean = (weights[:, None] * h).sum(0) / weights.sum()
    assert clue(p, h, 1, np.random.default_rng(0)).tolist() == slow_nearest(mean[None], h)
    # Certain rows pull nothing: moving them about changes nothing, as long as they do not come nearest.
    p[:10] = torch.tensor([1.0, 0.0, 0.0])
    h[:10] += 100
    before = clue(p, h, 1, np.random.default_rng(0))
    h[:10] += 100
    assert torch.equal(clue(p, h, 1, np.random.default_rng(0)), before)


def test_separate_clusters_give_one_row_each_nearest_to_their_weighted_means() -> None:
    p, h = pool(60, 4, 3, seed=3)
    member_of = torch.arange(60) % 5
    h = h * 0.01 + 10 * pool(5, 2, 3, seed=4)[1][member_of]
    weights = entropy(p)
    expected = set()
    for cluster in range(5):
        mine = (member_of == cluster).nonzero().squeeze(1)
        mean = (weights[mine, None] * h[mine]).sum(0) / weights[mine].sum()
        expected.add(int(mine[slow_nearest(mean[None], h[mine])[0]]))
    # Seeding may put two centres into one cluster; most seeds do not.
    batches = [set(clue(p, h, 5, np.random.default_rng(seed)).tolist()) for seed in range(10)]
    assert batches.count(expected) >= 5


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_batches_are_exact_distinct_and_repeatable(dtype: torch.dtype) -> None:
    p, h = pool(25, 3, 4, seed=5, dtype=dtype)
    for n in (0, 1, 6, 25):
        picks = clue(p, h, n, np.random.default_rng(1))
        assert picks.dtype == torch.long
        assert len(set(picks.tolist())) == n
        assert torch.equal(picks, clue(p, h, n, np.random.default_rng(1)))


def test_certain_rows_constant_features_and_duplicates_still_make_a_batch() -> None:
    one_hot = torch.eye(3)[[0, 1, 2, 0, 1, 2]]
    _, h = pool(6, 2, 2, seed=6, dtype=torch.float32)
    assert len(set(clue(one_hot, h, 4, np.random.default_rng(0)).tolist())) == 4
    p, _ = pool(6, 3, 1, seed=7, dtype=torch.float32)
    assert clue(p, torch.ones(6, 2), 3, np.random.default_rng(0)).tolist() == [0, 1, 2]
    few_uncertain = torch.cat([p[:1], one_hot[:5]])
    assert len(set(clue(few_uncertain, h, 3, np.random.default_rng(0)).tolist())) == 3


def test_what_does_not_fit_is_refused() -> None:
    p, h = pool(5, 3, 2, seed=8)
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="cannot pick 6 of 5"):
        clue(p, h, 6, rng)
    with pytest.raises(ValueError, match="probabilities have 5 rows, embeddings 4"):
        clue(p, h[:4], 1, rng)
    with pytest.raises(ValueError, match="embeddings must be finite"):
        clue(p, torch.full_like(h, math.nan), 1, rng)
    with pytest.raises(ValueError, match="NaN"):
        clue(torch.full_like(p, math.nan), h, 1, rng)


def test_memory_of_the_search_is_that_of_a_chunk(peak_bytes: Callable[[str, str], int]) -> None:
    setup = """
from labelbench_plus.algorithms import clue as module
h = torch.randn(20_000, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
module._nearest_distinct_rows(h[:2], h[:100], 2**20)
"""
    # All distances at once would take 61 MiB.
    assert peak_bytes(setup, "module._nearest_distinct_rows(h[:400], h, 2**20)") < 30 * 2**20
