"""What every pool strategy must do, whatever it is given; one test a demand, one case a strategy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from labelbench_plus.plugins import registry
from tests.strategies.make_view import make_view, pool_strategies

STRATEGIES = pool_strategies()


def select(name: str, n: int, view=None, seed: int = 0) -> list[int]:
    view = make_view() if view is None else view
    chosen = registry("strategies").build(name).select(view, n, np.random.default_rng(seed))
    assert view.changed() == []
    return chosen.tolist()


def check(chosen: list[int], view, n: int) -> None:
    assert len(chosen) == n
    assert len(set(chosen)) == n
    assert set(chosen) <= set(view.candidates.tolist())


def needs(name: str) -> frozenset[str]:
    return registry("strategies").build(name).needs


def test_the_list_is_the_issue_s():
    assert set(STRATEGIES) >= {
        "random", "class_balanced_random", "entropy", "least_confidence", "margin", "stochastic_batch", "bald",
        "batch_bald", "epig", "k_center", "k_means_pp", "typiclust", "probcover", "max_herding", "facility_location",
        "graph_cut", "log_det", "badge", "bait", "cluster_margin", "clue", "galaxy", "direct", "d_optimal",
        "a_optimal", "v_optimal", "g_optimal", "e_optimal", "weighted_facility_location",
        "max_uncertainty", "relaxed_d_optimal", "relaxed_a_optimal", "relaxed_v_optimal", "relaxed_e_optimal",
    }  # fmt: skip


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("n", [0, 1, 7, 47, 48])
def test_exactly_n_different_candidates(name, n):
    view = make_view()
    check(select(name, n, view), view, n)


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_function_of_view_and_generator_alone(name):
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    first = select(name, 10)
    torch.manual_seed(2)
    np.random.seed(2)  # noqa: NPY002
    states = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    assert select(name, 10) == first
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.array_equal(np.random.get_state()[1], states[1])  # noqa: NPY002


@pytest.mark.parametrize("name", STRATEGIES)
def test_more_than_there_are_is_refused(name):
    with pytest.raises(ValueError, match="cannot pick 49 of 48"):
        select(name, 49)


@pytest.mark.parametrize("name", STRATEGIES)
def test_an_empty_pool_has_nothing_to_choose(name):
    view = make_view(size=12, labelled=12)
    assert select(name, 0, view) == []


@pytest.mark.parametrize("name", STRATEGIES)
def test_one_candidate_left(name):
    view = make_view(size=13, labelled=12)
    assert select(name, 1, view) == view.candidates.tolist()


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize(
    "what", ["features", "embeddings", "probabilities", "member_probabilities", "token_uncertainty"]
)
@pytest.mark.parametrize("name", STRATEGIES)
def test_what_is_not_finite_is_refused_by_whoever_reads_it(name, what, bad):
    shape = {"member_probabilities": (5, 60, 4), "token_uncertainty": (60, 3)}.get(what, (60, 4))
    whole = torch.rand(shape)
    whole = whole / whole.sum(-1, keepdim=True)
    whole[:, 1:] = bad
    if what in needs(name):
        with pytest.raises(ValueError, match="finite"):
            select(name, 5, make_view(**{what: whole}))
    else:
        assert len(select(name, 5, make_view(**{what: whole}))) == 5


@pytest.mark.parametrize("name", [name for name in STRATEGIES if "probabilities" in needs(name)])
def test_probabilities_that_do_not_sum_to_one_are_refused(name):
    with pytest.raises(ValueError, match="sum to one"):
        select(name, 5, make_view(probabilities=torch.full((60, 4), 0.3)))


SAME = torch.full((60, 4), 0.25)
ODDITIES = {
    "constant features": {"features": torch.ones(60, 6), "embeddings": torch.ones(60, 6)},
    "zero features": {"features": torch.zeros(60, 6), "embeddings": torch.zeros(60, 6)},
    "duplicates": {"features": torch.randn(6, 6).repeat(10, 1), "embeddings": torch.randn(6, 6).repeat(10, 1)},
    "constant probabilities": {"probabilities": SAME, "member_probabilities": SAME.repeat(5, 1, 1)},
    "certain probabilities": {
        "probabilities": torch.eye(4).repeat(15, 1),
        "member_probabilities": torch.eye(4).repeat(15, 1).repeat(5, 1, 1),
    },
    "one class labelled so far": {"labels": torch.zeros(12, dtype=torch.long)},
    "outliers among what is labelled": {"labels": torch.tensor([-1, 0, 1, 2, 3, -1, 0, 1, 2, 3, -1, 0])},
    "two classes": {"classes": 2},
    "a hundred classes": {"classes": 100},
    "float64": {"dtype": torch.float64},
    "float16": {"dtype": torch.float16},
    "one feature": {"width": 1},
    "prices": {"prices": torch.linspace(1, 9, 60, dtype=torch.float64)},
}


@pytest.mark.parametrize("oddity", ODDITIES)
@pytest.mark.parametrize("name", STRATEGIES)
def test_odd_pools_are_chosen_from_all_the_same(name, oddity):
    view = make_view(**ODDITIES[oddity])
    check(select(name, 9, view), view, 9)


@pytest.mark.parametrize("name", [name for name in STRATEGIES if needs(name) <= {"features"}])
def test_geometry_needs_no_label_to_start(name):
    view = make_view(labelled=0)
    check(select(name, 9, view), view, 9)


@pytest.mark.parametrize("name", ["entropy", "max_uncertainty", "margin", "bald", "epig", "d_optimal", "v_optimal"])
def test_those_that_can_prefer_the_cheap(name):
    prices = torch.ones(60, dtype=torch.float64)
    dear = select(name, 5)
    prices[dear] = 1000.0
    assert not set(select(name, 5, make_view(prices=prices))) & set(dear)
