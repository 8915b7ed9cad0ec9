"""Nearest-neighbour selection against its definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from labelbench_plus.algorithms.nearest_target import BEYOND, nearest_target_rank


def unit(rows: int, width: int, seed: int) -> torch.Tensor:
    values = torch.randn(rows, width, generator=torch.Generator().manual_seed(seed))
    return values / values.norm(dim=1, keepdim=True)


def test_best_rank_over_targets_mean_over_groups():
    images, targets = unit(400, 6, 0), unit(23, 6, 1)
    similarity = (targets @ images.T).numpy()
    rank = 1 + (similarity[:, :, None] < similarity[:, None, :]).sum(axis=2)
    rank[rank > 200] = BEYOND
    by_hand = -np.mean([rank[group::5].min(axis=0) for group in range(5)], axis=0)
    np.testing.assert_allclose(nearest_target_rank(images, targets).numpy(), by_hand, rtol=1e-6)


def test_equal_items_share_a_rank():
    images = unit(10, 4, 0).repeat(3, 1)
    scores = nearest_target_rank(images, unit(7, 4, 1)).view(3, 10)
    assert torch.equal(scores[0], scores[1]) and torch.equal(scores[0], scores[2])


def test_few_targets_and_no_items():
    assert nearest_target_rank(unit(4, 3, 0), unit(1, 3, 1)).max() == -1
    assert nearest_target_rank(unit(4, 3, 0)[:0], unit(2, 3, 1)).shape == (0,)
    with pytest.raises(ValueError, match="targets must be"):
        nearest_target_rank(unit(4, 3, 0), unit(2, 4, 1))
