"""What chance does, and what features are worth: other draws of `random`, and strategies that see others' features."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from labelbench_plus.plugins import describe, registry
from labelbench_plus.testing.pool_scene import random_pool
from tests.strategies.make_view import make_view


def build(given):
    return registry("strategies").build(given)


def chosen(strategy, view, n=8, seed=0):
    return strategy.select(view, n, np.random.default_rng(seed)).tolist()


def test_another_draw_is_another_choice_and_the_first_is_what_it_was():
    view = make_view()
    expected = view.candidates[torch.as_tensor(np.random.default_rng(0).permutation(len(view.candidates))[:8])].tolist()
    assert chosen(build("random"), view) == expected
    others = [chosen(build({"name": "random", "draw": draw}), view) for draw in (1, 2)]
    assert others[0] != others[1] and expected not in others
    assert "draw" not in describe(build("random"))


def test_a_placebo_chooses_by_features_that_are_dealt_anew():
    placebo = build({"name": "permuted_features", "strategy": "facility_location"})
    view = make_view(needs=placebo.needs)
    assert chosen(placebo, view) == chosen(placebo, view) != chosen(placebo, view, seed=1)
    assert chosen(placebo, view) != chosen(build("facility_location"), view)
    assert view.changed() == []


def test_a_placebo_finds_no_outlier():
    """k-center takes the item that lies far away; its placebo takes it as often as chance does."""
    pool = random_pool()
    far = int(make_view().candidates[7])
    pool["features"][far] = 1000.0
    view = make_view(**pool)
    assert chosen(build("k_center"), view, n=1) == [far]
    placebo = build({"name": "permuted_features", "strategy": "k_center"})
    hits = sum(chosen(placebo, view, n=6, seed=seed).count(far) for seed in range(200))
    assert 5 <= hits <= 50  # 200 * 6 / 48 = 25 expected


def test_there_is_no_placebo_of_what_reads_no_features():
    with pytest.raises(ValidationError, match="'margin' does not pick items by their features"):
        build({"name": "permuted_features", "strategy": "margin"})
