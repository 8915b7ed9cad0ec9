"""Strategies for items with several labels, on probabilities made by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from labelbench_plus.plugins import registry
from labelbench_plus.testing import make_view


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mean_binary_entropy", [2, 1, 3]),  # two labels a little unsure beat one that is open
        ("binary_minimum", [1, 2, 3]),
    ],
)
def test_which_items_come_first(name, expected):
    probabilities = torch.tensor([[0.0, 1.0], [0.5, 0.0], [0.3, 0.6], [0.9, 0.1], [0.01, 0.02]])
    given = {"bought": torch.tensor([], dtype=torch.long), "labels": torch.zeros(0, 2, dtype=torch.long)}
    view = make_view(5, label_probabilities=probabilities, prices=torch.ones(5, dtype=torch.float64), **given)
    strategy = registry("strategies").build(name)
    assert strategy.select(view, 3, np.random.default_rng(0)).tolist() == expected
    dear = torch.tensor([1.0, 100.0, 100.0, 1.0, 1.0], dtype=torch.float64)
    view = make_view(5, label_probabilities=probabilities, prices=dear, **given)
    assert strategy.select(view, 1, np.random.default_rng(0)).tolist() == [3]
