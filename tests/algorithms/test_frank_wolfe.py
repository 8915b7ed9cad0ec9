"""Frank-Wolfe beside its definition, step by step."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from labelbench_plus.algorithms.frank_wolfe import frank_wolfe


def slow(x: Tensor, n: int) -> list[int]:
    x = x.double()
    norms = x.norm(dim=1)
    directions = torch.where(norms[:, None] > 0, x / norms[:, None], 0.0)
    goal, reached = x.sum(dim=0), torch.zeros(x.shape[1], dtype=torch.float64)
    picks: list[int] = []
    for _ in range(n):
        score = (directions * (goal - reached)).sum(dim=1)
        score[picks] = -torch.inf
        picks.append(int((score >= score.max() - 1e-9 * (goal - reached).norm()).nonzero()[0]))
        step = norms.sum() * directions[picks[-1]] - reached
        length = float(step @ (goal - reached) / (step @ step)) if float(step @ step) > 0 else 0.0
        reached = reached + min(max(length, 0.0), 1.0) * step
        if float((goal - reached).norm()) <= 1e-9 * float(norms.sum()):
            reached = torch.zeros_like(goal)
    return picks


def cloud(rows: int, d: int, seed: int, dtype: torch.dtype) -> Tensor:
    x = torch.randn(rows, d, generator=torch.Generator().manual_seed(seed)) + 0.3
    x[rows // 2 : rows // 2 + 5] = x[:5].clone()  # duplicates
    x[rows // 2 + 5] = 0
    return x.to(dtype)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("d", [1, 3, 30])
@pytest.mark.parametrize("seed", range(3))
def test_picks_of_the_definition(dtype: torch.dtype, d: int, seed: int) -> None:
    x = cloud(80, d, seed, dtype)
    for chunk_bytes in (2**24, 100):
        picks = frank_wolfe(x, 80, chunk_bytes=chunk_bytes)
        assert picks.dtype == torch.int64
        assert picks.tolist() == slow(x, 80)


@pytest.mark.parametrize("scale", [2.0**-60, 2.0**60])
def test_the_unit_of_features_does_not_matter(scale: float) -> None:
    x = cloud(60, 4, 4, torch.float64)
    assert frank_wolfe(x * scale, 30).tolist() == frank_wolfe(x, 30).tolist()
    assert frank_wolfe((x * scale).float(), 30).tolist() == frank_wolfe(x.float(), 30).tolist()


def test_orthogonal_rows_are_taken_by_their_lengths() -> None:
    lengths = torch.tensor([3.0, 9.0, 1.0, 9.0, 4.0])
    assert frank_wolfe(torch.diag(lengths), 5).tolist() == [1, 3, 4, 0, 2]


def test_a_row_that_is_all_of_the_pool_is_taken_first() -> None:
    x = cloud(50, 4, 5, torch.float64)
    x[33] = x.sum(dim=0) - x[33]
    assert int(frank_wolfe(x, 1)) == 33


def test_thread_count_does_not_change_the_picks() -> None:
    x = cloud(700, 50, 6, torch.float32)
    before = torch.get_num_threads()
    try:
        picks = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            picks.append(frank_wolfe(x, 40).tolist())
    finally:
        torch.set_num_threads(before)
    assert picks[0] == picks[1]


def test_edges() -> None:
    x = cloud(20, 3, 7, torch.float32)
    assert frank_wolfe(x, 0).tolist() == []
    assert frank_wolfe(x[:0], 0).tolist() == []
    assert frank_wolfe(x[:1], 1).tolist() == [0]
    assert frank_wolfe(torch.zeros(5, 2), 5).tolist() == list(range(5))
    assert frank_wolfe(torch.ones(5, 2), 5).tolist() == list(range(5))


def test_refusals() -> None:
    x = cloud(20, 3, 8, torch.float32)
    with pytest.raises(ValueError, match="cannot pick 21 of 20"):
        frank_wolfe(x, 21)
    x[4, 1] = torch.nan
    with pytest.raises(ValueError, match="features must be finite, but row 4"):
        frank_wolfe(x, 1)
