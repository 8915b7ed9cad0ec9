"""BatchBALD against the joint entropy summed over every label configuration."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from labelbench_plus.algorithms import batch_bald as module
from labelbench_plus.algorithms.bald import bald
from labelbench_plus.algorithms.batch_bald import batch_bald, batch_bald_sampled


def members(m: int, n: int, k: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(m, n, k, generator=generator, dtype=torch.float64) * 2).softmax(-1).to(dtype)


def joint_information(p: np.ndarray, batch: list[int]) -> float:
    """I(labels of the batch; member), configuration by configuration."""
    total = 0.0
    for labels in itertools.product(range(p.shape[2]), repeat=len(batch)):
        given = [math.prod(p[w, row, y] for row, y in zip(batch, labels, strict=True)) for w in range(p.shape[0])]
        mean = sum(given) / len(given)
        if mean > 0:
            total -= mean * math.log(mean)
            total += sum(g * math.log(g) for g in given if g > 0) / len(given)
    return total


def slow_greedy(p: np.ndarray, n: int) -> tuple[list[int], list[float]]:
    picks: list[int] = []
    values = []
    for _ in range(n):
        of_row = {row: joint_information(p, [*picks, row]) for row in range(p.shape[1]) if row not in picks}
        best = max(of_row.values())
        picks.append(min(row for row, value in of_row.items() if value >= best - 1e-10))
        values.append(best)
    return picks, values


@pytest.mark.parametrize(
    ("shape", "n"), [((2, 6, 2), 6), ((5, 9, 2), 5), ((4, 8, 3), 4), ((3, 5, 5), 2), ((1, 5, 3), 2)]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_exact_picks_and_information_are_those_of_the_full_sum(
    shape: tuple[int, int, int], n: int, dtype: torch.dtype
) -> None:
    p = members(*shape, seed=sum(shape), dtype=dtype)
    rows = p.double() / p.double().sum(-1, keepdim=True)
    picks, values = slow_greedy(rows.numpy(), n)
    batch = batch_bald(p, n)
    assert batch.indices.tolist() == picks
    assert batch.information.tolist() == pytest.approx(values, abs=1e-9)
    assert (batch.exact, batch.filled) == (n, 0)


def test_duplicates_impossible_labels_and_certain_members() -> None:
    p = members(3, 4, 3, seed=2)
    p[:, :, 2] = 0
    p /= p.sum(-1, keepdim=True)
    p[0, 1] = torch.tensor([1.0, 0.0, 0.0])
    p = torch.cat([p, p], dim=1)  # every row twice: the lower one goes first
    picks, values = slow_greedy(p.numpy(), 5)
    batch = batch_bald(p, 5)
    assert batch.indices.tolist() == picks
    assert batch.information.tolist() == pytest.approx(values, abs=1e-9)


def test_the_first_pick_is_bald_and_all_ties_go_in_index_order() -> None:
    p = members(6, 50, 4, seed=7)
    assert int(batch_bald(p, 1).indices) == int(bald(p).argmax())
    assert batch_bald(torch.full((3, 10, 2), 0.5), 4).indices.tolist() == [0, 1, 2, 3]


def test_stale_bounds_save_looks_and_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(1)
    # Most members agree on most rows: a few rows are worth much more than the others.
    logits = torch.randn(1, 400, 2, generator=generator) * 4 + torch.randn(6, 400, 2, generator=generator)
    p = logits.double().softmax(-1)
    looked_at = []
    gains = module._Joint.gains

    def counted(self: module._Joint, rows: Tensor, dtype: torch.dtype) -> Tensor:
        looked_at.append(rows.shape[0])
        return gains(self, rows, dtype)

    monkeypatch.setattr(module._Joint, "gains", counted)
    lazy = batch_bald(p, 4)
    assert sum(looked_at) < 0.6 * 4 * 400
    monkeypatch.undo()
    picks, values = slow_greedy(p.numpy(), 4)
    assert lazy.indices.tolist() == picks
    assert lazy.information.tolist() == pytest.approx(values, abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_rows_beyond_the_first_look_are_found(seed: int) -> None:
    # Nearly certain members that disagree at random: what a row is worth depends much on what is known already.
    generator = torch.Generator().manual_seed(seed)
    sure = 0.9 + 0.1 * torch.rand(1, 150, generator=generator, dtype=torch.float64)
    first = torch.where(torch.rand(8, 150, generator=generator) < 0.5, sure, 1 - sure)
    p = torch.stack([first, 1 - first], dim=2)
    picks, values = slow_greedy(p.numpy(), 4)
    batch = batch_bald(p, 4)
    assert batch.indices.tolist() == picks
    assert batch.information.tolist() == pytest.approx(values, abs=1e-9)


def test_chunks_do_not_change_the_picks() -> None:
    p = members(5, 60, 3, seed=3, dtype=torch.float32)
    whole = batch_bald(p, 5)
    sampled = batch_bald_sampled(p, 7, np.random.default_rng(0), max_configurations=9, samples=300)
    for chunk_bytes in (1, 5_000):
        assert torch.equal(batch_bald(p, 5, chunk_bytes=chunk_bytes).indices, whole.indices)
        again = batch_bald_sampled(
            p, 7, np.random.default_rng(0), max_configurations=9, samples=300, chunk_bytes=chunk_bytes
        )
        assert torch.equal(again.indices, sampled.indices)


def test_sampling_is_exact_while_it_fits_and_close_to_it_after() -> None:
    p = members(5, 30, 3, seed=4)
    exact = batch_bald(p, 7)
    fits = batch_bald_sampled(p, 4, np.random.default_rng(0), max_configurations=81)
    assert torch.equal(fits.indices, exact.indices[:4])
    assert fits.exact == 4
    batch = batch_bald_sampled(p, 7, np.random.default_rng(0), max_configurations=27, samples=20_000)
    assert (batch.exact, batch.filled) == (3, 0)
    assert torch.equal(batch.indices[:3], exact.indices[:3])
    # What the sampled batch is really worth, and what it was estimated at.
    worth = joint_information(p.numpy(), batch.indices.tolist())
    assert worth == pytest.approx(float(exact.information[-1]), abs=5e-3)
    assert float(batch.information[-1]) == pytest.approx(worth, abs=2e-2)


def test_sampled_labels_follow_their_members() -> None:
    p = members(2, 3, 3, seed=5)
    joint = module._Joint(p, 2**20)
    joint.begin_sampling(20_000)
    rng = np.random.default_rng(0)
    for row in (2, 0):
        joint.extend_sampled(row, rng)
    # The posterior of a configuration tells its labels: average it to get back the prior, and compare a moment.
    assert joint.posterior.mean(dim=0).tolist() == pytest.approx([0.5, 0.5], abs=0.01)
    expected = sum(
        float(p[0, 2, y] * p[0, 0, z]) ** 2 / float(p[0, 2, y] * p[0, 0, z] + p[1, 2, y] * p[1, 0, z])
        for y in range(3)
        for z in range(3)
    )
    assert float(joint.posterior[:20_000, 0].mean()) == pytest.approx(expected, abs=0.01)


def test_a_batch_is_filled_by_bald_when_all_is_known() -> None:
    # Two members that are told apart by a single row: after it no label is informative.
    p = members(2, 40, 2, seed=6)
    p[0, 17], p[1, 17] = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    batch = batch_bald_sampled(p, 10, np.random.default_rng(0), max_configurations=2, samples=100)
    assert (batch.exact, batch.filled) == (1, 9)
    scores = bald(p).tolist()
    rest = sorted((row for row in range(40) if row != 17), key=lambda row: (-scores[row], row))
    assert batch.indices.tolist() == [17, *rest[:9]]
    assert batch.information.tolist() == pytest.approx([math.log(2)] * 10)


@pytest.mark.parametrize("n", [0, 1, 12])
def test_batches_are_exact_distinct_and_repeatable(n: int) -> None:
    p = members(4, 12, 3, seed=8)
    first = batch_bald_sampled(p, n, np.random.default_rng(1), max_configurations=3, samples=50)
    again = batch_bald_sampled(p, n, np.random.default_rng(1), max_configurations=3, samples=50)
    assert torch.equal(first.indices, again.indices)
    assert len(set(first.indices.tolist())) == n
    assert first.information.shape == (n,)
    nothing_exact = batch_bald_sampled(p, n, np.random.default_rng(1), max_configurations=1, samples=50)
    assert nothing_exact.exact == 0
    assert len(set(nothing_exact.indices.tolist())) == n


def test_what_cannot_be_done_is_refused() -> None:
    p = members(3, 20, 10, seed=0)
    with pytest.raises(ValueError, match=r"10\^6 label configurations.*allows 5 picks.*batch_bald_sampled"):
        batch_bald(p, 6)
    with pytest.raises(ValueError, match="cannot pick 21 of 20"):
        batch_bald(p, 21)
    with pytest.raises(ValueError, match="samples"):
        batch_bald_sampled(p, 2, np.random.default_rng(0), samples=0)
    with pytest.raises(ValueError, match="NaN"):
        batch_bald(torch.full((2, 3, 2), math.nan), 1)


def test_memory_is_that_of_the_configurations(peak_bytes: Callable[[str, str], int]) -> None:
    setup = """
from labelbench_plus.algorithms import batch_bald as module
module.check_member_probabilities = lambda values, name: values.shape
g = torch.Generator().manual_seed(0)
p = torch.randn(10, 20_000, 4, generator=g).softmax(-1)
module.batch_bald(p[:, :50], 3)
"""
    # 256 configurations of every row's label at once would take 156 MiB.
    assert peak_bytes(setup, "module.batch_bald(p, 4, chunk_bytes=4 * 2**20)") < 80 * 2**20
