"""VAS-D and the classical designs by removal, against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from labelbench_plus.algorithms.alignment_pruning import prune_by_alignment, removal_sizes
from labelbench_plus.algorithms.blocks.second_moment import gram
from labelbench_plus.algorithms.design_pruning import prune_by_design
from labelbench_plus.algorithms.variance_alignment import variance_alignment


def unit(rows: int, width: int, seed: int = 0) -> torch.Tensor:
    scale = torch.linspace(1, 3, width, dtype=torch.float64)
    values = torch.randn(rows, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * scale
    return values / values.norm(dim=1, keepdim=True)


def by_hand(images: torch.Tensor, n: int, rounds: int, start: torch.Tensor | None) -> list[int]:
    x, alive = images.double().numpy(), list(range(len(images)))
    moment = x.T @ x if start is None else start.numpy()
    for keep in removal_sizes(len(x), n, rounds):
        scores = [x[i] @ moment @ x[i] for i in alive]
        order = np.lexsort((alive, [-round(score, 12) for score in scores]))
        alive = sorted(alive[place] for place in order[:keep])
        moment = x[alive].T @ x[alive]
    return alive


@pytest.mark.parametrize("lazy", [True, False])
@pytest.mark.parametrize("rounds", [1, 3, 7, 40])
def test_as_by_hand(rounds, lazy):
    images = unit(300, 10)
    pool = gram(torch.cat([images, unit(200, 10, 1)]))
    for start in (None, pool):
        removed_in, left = prune_by_alignment(images, 90, rounds, start=start, lazy=lazy)
        kept = (removed_in > rounds).nonzero()[:, 0]
        assert kept.tolist() == by_hand(images, 90, rounds, start)
        torch.testing.assert_close(left, gram(images[kept]), rtol=0, atol=1e-10)


def test_check_8_one_round_is_variance_alignment_with_the_pool():
    images = unit(400, 12)
    pool = gram(torch.cat([images, unit(300, 12, 1)]))
    removed_in, _ = prune_by_alignment(images, 150, 1, start=pool)
    best = variance_alignment(images, pool / 700).topk(150).indices
    assert set((removed_in > 1).nonzero()[:, 0].tolist()) == set(best.tolist())


def test_check_8_the_larger_of_two_orthogonal_clusters_stays():
    axes = torch.eye(2, dtype=torch.float64).repeat_interleave(torch.tensor([60, 40]), dim=0)
    for keep in (60, 35):
        removed_in, _ = prune_by_alignment(axes, keep, 8)
        assert (removed_in > 8).nonzero()[:, 0].max() < 60


def test_check_8_steps_that_overshoot():
    assert removal_sizes(30, 20, 7) == [28, 26, 24, 22, 20, 20, 20]
    removed_in, _ = prune_by_alignment(unit(30, 5), 20, 7)
    assert int((removed_in > 7).sum()) == 20


def test_check_8_lazy_and_eager_agree_on_ties_too():
    images = unit(60, 6).repeat(20, 1).half()
    for rounds in (5, 25):
        ways = [prune_by_alignment(images, 333, rounds, lazy=lazy) for lazy in (True, False)]
        assert torch.equal(ways[0][0], ways[1][0])
        kept = images[ways[0][0] > rounds]
        torch.testing.assert_close(ways[0][1], gram(kept), rtol=0, atol=1e-10)


@pytest.mark.parametrize("criterion", ["a", "d", "v"])
def test_designs_drop_what_costs_least(criterion):
    images, moment = unit(60, 5), gram(unit(30, 5, 2)) / 30
    target = moment if criterion == "v" else None

    def value(rows: torch.Tensor) -> float:
        information = gram(rows) + 1e-3 * torch.eye(5, dtype=torch.float64)
        if criterion == "d":
            return float(-torch.logdet(information))
        inverse = torch.linalg.inv(information)
        return float(torch.trace(inverse if criterion == "a" else inverse @ moment))

    alive = list(range(60))
    for _ in range(20):  # one at a time, by trying each
        without = [value(images[[i for i in alive if i != row]]) for row in alive]
        alive.pop(int(np.argmin(without)))
    removed_in = prune_by_design(images, 40, 20, criterion, moment=target)
    assert (removed_in > 20).nonzero()[:, 0].tolist() == alive


def test_what_does_not_fit_is_refused():
    images = unit(10, 3)
    with pytest.raises(ValueError, match="cannot pick 11 of 10"):
        prune_by_alignment(images, 11, 2)
    with pytest.raises(ValueError, match="at least one round"):
        prune_by_alignment(images, 5, 0)
    with pytest.raises(ValueError, match="start must be"):
        prune_by_alignment(images, 5, 1, start=torch.eye(4))
    with pytest.raises(ValueError, match="'v' needs one"):
        prune_by_design(images, 5, 1, "v")
    with pytest.raises(ValueError, match="ridge positive"):
        prune_by_design(images, 5, 1, "a", ridge=0)
