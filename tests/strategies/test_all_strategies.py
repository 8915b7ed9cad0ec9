"""What built-in pool strategies must do beyond the contract, to which `tests/testing/test_built_in.py` holds them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from labelbench_plus.plugins import registry
from labelbench_plus.testing.pool_scene import ITEMS_ALONG, random_pool
from tests.strategies.make_view import make_view, pool_strategies

STRATEGIES = pool_strategies()


def select(name: str, n: int, view=None, seed: int = 0) -> list[int]:
    view = make_view(needs=needs(name)) if view is None else view
    chosen = registry("strategies").build(name).select(view, n, np.random.default_rng(seed))
    assert view.changed() == []
    return chosen.tolist()


def needs(name: str) -> frozenset[str]:
    return registry("strategies").build(name).needs


def test_the_list_is_the_issue_s():
    assert set(STRATEGIES) >= {
        "random", "class_balanced_random", "entropy", "least_confidence", "margin", "stochastic_batch", "bald",
        "batch_bald", "epig", "k_center", "k_means_pp", "typiclust", "probcover", "max_herding", "facility_location",
        "graph_cut", "log_det", "badge", "bait", "cluster_margin", "clue", "galaxy", "direct", "d_optimal",
        "a_optimal", "v_optimal", "g_optimal", "e_optimal", "weighted_facility_location",
        "max_uncertainty", "relaxed_d_optimal", "relaxed_a_optimal", "relaxed_v_optimal", "relaxed_e_optimal",
        "lcmd", "gsx", "gsy", "igs", "query_by_committee", "emcm", "max_variance", "alc", "bait_regression", "max_det",
        "frank_wolfe",
    }  # fmt: skip


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize(
    "what",
    [
        *("features", "embeddings", "probabilities", "member_probabilities", "token_uncertainty"),
        *("mean_token_uncertainty", "predictions", "variance", "members"),
    ],
)
@pytest.mark.parametrize("name", STRATEGIES)
def test_what_is_not_finite_is_refused_by_whoever_reads_it(name, what, bad):
    whole = random_pool()[what]
    whole.narrow(ITEMS_ALONG[what], 20, 30).fill_(bad)
    if what in needs(name):
        with pytest.raises(ValueError, match="finite"):
            select(name, 5, make_view(needs=needs(name), **{what: whole}))
    else:
        assert len(select(name, 5, make_view(needs=needs(name), **{what: whole}))) == 5


@pytest.mark.parametrize("name", [name for name in STRATEGIES if "probabilities" in needs(name)])
def test_probabilities_that_do_not_sum_to_one_are_refused(name):
    with pytest.raises(ValueError, match="sum to one"):
        select(name, 5, make_view(probabilities=torch.full((60, 4), 0.3)))


@pytest.mark.parametrize("name", ["entropy", "max_uncertainty", "margin", "bald", "epig", "d_optimal", "v_optimal"])
def test_those_that_can_prefer_the_cheap(name):
    prices = torch.ones(60, dtype=torch.float64)
    dear = select(name, 5)
    prices[dear] = 1000.0
    assert not set(select(name, 5, make_view(prices=prices))) & set(dear)
