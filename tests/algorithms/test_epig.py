"""EPIG against loops over members, candidates, targets and labels."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from labelbench_plus.algorithms import epig as module
from labelbench_plus.algorithms.bald import bald
from labelbench_plus.algorithms.epig import epig


def members(m: int, n: int, k: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(m, n, k, generator=generator, dtype=torch.float64) * 2).softmax(-1).to(dtype)


def slow_epig(p: Tensor, q: Tensor) -> list[float]:
    p, q = p.double(), q.double()
    m, n, k = p.shape
    scores = []
    for row in range(n):
        information = 0.0
        for target in range(q.shape[1]):
            for y in range(k):
                for y_star in range(q.shape[2]):
                    joint = sum(float(p[w, row, y] * q[w, target, y_star]) for w in range(m)) / m
                    apart = float(p[:, row, y].mean() * q[:, target, y_star].mean())
                    if joint > 0:
                        information += joint * math.log(joint / apart)
        scores.append(information / q.shape[1])
    return scores


@pytest.mark.parametrize(
    ("shape", "targets", "target_classes"), [((1, 4, 2), 3, 2), ((3, 6, 3), 5, 3), ((8, 3, 2), 4, 5), ((5, 2, 6), 1, 6)]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_epig_is_the_mutual_information_of_the_loops(
    shape: tuple[int, int, int], targets: int, target_classes: int, dtype: torch.dtype
) -> None:
    p = members(*shape, seed=1, dtype=dtype)
    q = members(shape[0], targets, target_classes, seed=2, dtype=dtype)
    # Float32 rows do not quite sum to one, which the two ways of writing the information feel differently.
    tolerance = 1e-12 if dtype == torch.float64 else 1e-7
    assert epig(p, q).tolist() == pytest.approx([max(0.0, s) for s in slow_epig(p, q)], rel=1e-9, abs=tolerance)


def test_groups_of_targets_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    p, q = members(4, 6, 3, seed=0), members(4, 25, 3, seed=1)
    expected = slow_epig(p, q)
    monkeypatch.setattr(module, "TARGET_OUTCOMES", 12)  # groups of four targets, the last of one
    assert epig(p, q).tolist() == pytest.approx(expected, rel=1e-9)


def test_information_is_at_most_that_about_the_members() -> None:
    p = members(6, 40, 4, seed=3)
    assert (epig(p, members(6, 30, 4, seed=4)) <= bald(p) + 1e-12).all()
    # Targets that tell every member apart make the two the same.
    assert epig(p, torch.eye(6, dtype=torch.float64)[:, None, :]).tolist() == pytest.approx(bald(p).tolist())


def test_certain_rows_and_agreeing_members_tell_nothing() -> None:
    q = members(3, 5, 2, seed=0)
    certain = torch.tensor([1.0, 0.0]).expand(3, 4, 2)
    assert epig(certain, q).tolist() == pytest.approx([0.0] * 4, abs=1e-15)
    agree = members(1, 4, 2, seed=1).expand(3, 4, 2)
    assert epig(agree, q).tolist() == pytest.approx([0.0] * 4, abs=1e-15)


def test_duplicates_chunks_and_threads_do_not_change_a_bit() -> None:
    p = members(9, 60, 5, seed=5, dtype=torch.float32)
    p = torch.cat([p, p], dim=1)
    q = members(9, 33, 5, seed=6, dtype=torch.float32)
    whole = epig(p, q)
    assert torch.equal(whole[:60], whole[60:])
    for chunk_bytes in (1, 100_000, 400_000):
        assert torch.equal(epig(p, q, chunk_bytes=chunk_bytes), whole)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        assert torch.equal(epig(p, q), whole)
        assert torch.equal(epig(p, q, chunk_bytes=1), whole)
    finally:
        torch.set_num_threads(threads)


def test_what_does_not_fit_is_refused() -> None:
    p = members(3, 4, 2, seed=0)
    with pytest.raises(ValueError, match="candidates have 3 members, targets 2"):
        epig(p, members(2, 4, 2, seed=0))
    with pytest.raises(ValueError, match="at least one target"):
        epig(p, p[:, :0])
    with pytest.raises(ValueError, match=r"target_probabilities\[0\]"):
        epig(p, torch.full_like(p, math.nan))
    assert epig(p[:, :0], p).shape == (0,)


def test_memory_is_bounded_by_the_chunk(peak_bytes: Callable[[str, str], int]) -> None:
    setup = """
from labelbench_plus.algorithms.epig import epig
p = torch.full((40, 2000, 4), 0.25)
q = torch.full((40, 500, 4), 0.25)
epig(p[:, :10], q[:, :10])
"""
    # All pairs of labels would take 122 MiB in float64, for every copy of them.
    assert peak_bytes(setup, "epig(p, q, chunk_bytes=4 * 2**20)") < 60 * 2**20


def test_the_input_is_left_alone() -> None:
    p = torch.tensor([[[0.7, 0.3001, -0.0001]], [[0.2, 0.3, 0.5]]], dtype=torch.float64)
    before = p.clone()
    epig(p, p)
    assert torch.equal(p, before)
