"""BALD against a loop over members and rows."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from labelbench_plus.algorithms.bald import bald


def members(m: int, n: int, k: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(m, n, k, generator=generator, dtype=torch.float64) * 2).softmax(-1).to(dtype)


def slow_entropy(row: list[float]) -> float:
    return -sum(p * math.log(p) for p in row if p > 0)


def slow_bald(p: Tensor) -> list[float]:
    m, n, k = p.shape
    values = p.tolist()
    scores = []
    for row in range(n):
        mean = [sum(values[member][row][c] for member in range(m)) / m for c in range(k)]
        scores.append(slow_entropy(mean) - sum(slow_entropy(values[member][row]) for member in range(m)) / m)
    return scores


@pytest.mark.parametrize("shape", [(1, 5, 2), (2, 7, 2), (6, 9, 3), (20, 4, 11)])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_bald_is_the_mutual_information_of_the_loop(shape: tuple[int, int, int], dtype: torch.dtype) -> None:
    p = members(*shape, seed=sum(shape), dtype=dtype)
    expected = [max(0.0, score) for score in slow_bald(p.double())]
    assert bald(p).tolist() == pytest.approx(expected, rel=1e-9, abs=1e-13)


def test_agreement_scores_zero_and_certain_disagreement_scores_log_m() -> None:
    agree = members(1, 6, 4, seed=0).expand(5, 6, 4)
    assert bald(agree).tolist() == pytest.approx([0.0] * 6, abs=1e-15)
    assert (bald(agree) >= 0).all()
    disagree = torch.eye(3)[:, None, :]
    assert bald(disagree).item() == pytest.approx(math.log(3))


def test_duplicates_chunks_and_threads_do_not_change_a_bit() -> None:
    p = members(7, 101, 5, seed=3, dtype=torch.float32)
    p = torch.cat([p, p], dim=1)
    whole = bald(p)
    assert torch.equal(whole[:101], whole[101:])
    for chunk_bytes in (1, 10_000, 50_000):
        assert torch.equal(bald(p, chunk_bytes=chunk_bytes), whole)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        assert torch.equal(bald(p), whole)
    finally:
        torch.set_num_threads(threads)


def test_what_is_not_an_ensemble_is_refused() -> None:
    with pytest.raises(ValueError, match="members, rows, classes"):
        bald(torch.ones(3, 4))
    with pytest.raises(ValueError, match="at least one member"):
        bald(torch.ones(0, 3, 4))
    broken = members(2, 3, 4, seed=0)
    broken[1, 2, 0] = math.nan
    with pytest.raises(ValueError, match=r"member_probabilities\[1\].*row 2"):
        bald(broken)
    assert bald(torch.ones(2, 0, 3)).shape == (0,)


def test_memory_stays_below_a_copy(peak_bytes: Callable[[str, str], int]) -> None:
    # Without the shared check of arguments, whose memory is its own matter.
    setup = """
from labelbench_plus.algorithms import bald as module
module.check_probabilities = lambda values, name: values
p = torch.full((10, 100_000, 10), 0.1)
module.bald(p[:, :100])
"""
    assert peak_bytes(setup, "module.bald(p)") < 55 * 2**20  # a float64 copy alone would be 76 MiB


def test_the_input_is_left_alone() -> None:
    p = torch.tensor([[[0.7, 0.3001, -0.0001]], [[0.2, 0.3, 0.5]]], dtype=torch.float64)
    before = p.clone()
    bald(p)
    assert torch.equal(p, before)
