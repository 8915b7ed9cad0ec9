"""MaxHerding maximises generalised coverage greedily."""

from __future__ import annotations

import pytest
import torch

from labelbench_plus.algorithms.blocks.similarity import Rbf
from labelbench_plus.algorithms.facility_location import facility_location
from labelbench_plus.algorithms.max_herding import max_herding


def test_each_pick_raises_generalised_coverage_most() -> None:
    x = torch.nn.functional.normalize(torch.randn(150, 10, generator=torch.Generator().manual_seed(0)).double())
    kernel = torch.exp(-(x[:, None] - x[None]).square().sum(dim=2))
    labelled = torch.arange(5)
    got = max_herding(x, 20, centers=x[labelled]).tolist()
    chosen = labelled.tolist()
    for pick in got:
        coverage = torch.stack([kernel[:, [*chosen, j]].amax(dim=1).mean() for j in range(150)])
        assert pick == int(coverage.argmax())
        chosen.append(pick)


def test_it_is_facility_location_with_a_gaussian() -> None:
    x = torch.randn(100, 5, generator=torch.Generator().manual_seed(1))
    assert max_herding(x, 10).tolist() == facility_location(x, 10, similarity=Rbf(gamma=1.0)).tolist()
    assert max_herding(x, 10, gamma=None).tolist() == facility_location(x, 10).tolist()
    assert max_herding(x, 0).tolist() == []
    with pytest.raises(ValueError, match="gamma"):
        max_herding(x, 1, gamma=-1.0)
