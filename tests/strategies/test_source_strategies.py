"""What every strategy of source tasks must do, and what each of them is for."""

from __future__ import annotations

import numpy as np
import pytest

from labelbench_plus.algorithms.relevance import l1_relevance
from labelbench_plus.budget import Ledger
from labelbench_plus.plugins import registry
from labelbench_plus.seeding import Streams
from labelbench_plus.spec import RunSpec, incompatibilities
from labelbench_plus.strategies import SourceStrategy
from tests.source_tasks.simulate import HERE, build, simulate

FOUND = registry("strategies")
NAMES = [
    name
    for name, entry in FOUND.entries().items()
    if entry.origin == "built in"
    and issubclass(FOUND.load(name), SourceStrategy)
    and "objective_errors" not in FOUND.load(name).needs  # no source tasks, but objectives: see tests/problems
]
SMALL = {"name": "synthetic_sources", "heads": "generic", "dimension": 8, "rank": 3, "sources": 12}
PRICED = {**SMALL, "prices": [1.0, 4.0], "opening": [5.0, 30.0]}


def stand(problem=SMALL, seed=0, first=240.0):
    """A problem after an even first round: instance, ledger, model."""
    instance, ledger = build("problems", problem).open(HERE, Streams(seed)), Ledger()
    uniform = build("strategies", "uniform_sources")
    view = instance.view(uniform.needs, ledger, None, first)
    query = uniform.select(view, instance.oracle.ask_for(first, ledger), np.random.default_rng(0))
    instance.oracle.answer(query, first, ledger)
    model = build("trainers", "joint_linear").fit(instance.training_data(ledger, with_validation=False), None, None)
    return instance, ledger, model


def select(strategy, standing, money=100.0, seed=0):
    instance, ledger, model = standing
    chooser = build("strategies", strategy)
    view = instance.view(chooser.needs, ledger, model, money)
    return chooser.select(view, instance.oracle.ask_for(money, ledger), np.random.default_rng(seed))


def shares(query, sources=12) -> np.ndarray:
    counts = np.zeros(sources, dtype=int)
    counts[query.sources] = query.counts
    return counts


@pytest.fixture(scope="module")
def standing():
    return stand()


def test_every_strategy_of_source_tasks_is_tested_here():
    assert set(NAMES) == {
        "uniform_sources", "fixed_sources", "l2_relevance", "l1_relevance", "l2_relevance_known", "l1_relevance_known",
        "target_agnostic", "target_aware", "target_aware_known",
    }  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("n", [0, 1, 7, 100])
def test_exactly_n_labels(standing, name, n):
    query = select(name, standing, float(n))
    assert query.counts.sum() == n
    assert (query.counts > 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_function_of_view_and_generator_alone(standing, name):
    one, two = select(name, standing), select(name, standing)
    assert np.array_equal(one.sources, two.sources)
    assert np.array_equal(one.counts, two.counts)


@pytest.mark.parametrize("name", NAMES)
def test_with_prices_the_money_is_spent_and_not_exceeded(name):
    ledger, _ = simulate(PRICED, "joint_linear", name, (400.0, 100.0, 100.0), 0)  # the oracle refuses anything else
    assert 600 - 34 < ledger.spent <= 600


@pytest.mark.parametrize("name", ["uniform_sources", "l2_relevance_known", "l1_relevance_known"])
def test_those_that_need_no_model_make_a_first_round(name):
    ledger, scores = simulate(SMALL, "joint_linear", name, (120.0,), 0, initial=None)
    assert ledger.purchases[0].labels == 120
    assert scores["sources_opened"] >= 3


def test_opening_prices_are_weighed_against_labels():
    few, _ = simulate(PRICED, "joint_linear", "l1_relevance_known", (120.0,), 1, initial=None)
    many, _ = simulate(
        {**PRICED, "opening": [0.0, 0.0]}, "joint_linear", "l1_relevance_known", (120.0,), 1, initial=None
    )
    assert len(few.items) <= len(many.items)
    assert few.purchases[0].labels > 0


def test_labels_go_by_relevance_over_the_root_of_their_price():
    instance = stand({**SMALL, "prices": [1.0, 9.0]})[0]
    view = instance.view(frozenset({"true_heads"}), Ledger(), None, 60_000.0)
    query = build("strategies", {"name": "l1_relevance_known", "floor": 0}).select(
        view, 60_000, np.random.default_rng(0)
    )
    relevance = l1_relevance(view.true_source_heads, view.true_target_heads[:, 0], np.sqrt(view.prices))
    expected = np.abs(relevance) / np.sqrt(view.prices)
    counts = shares(query)
    assert np.allclose(counts / counts.sum(), expected / expected.sum(), atol=1e-3)


def test_the_number_of_sources_can_be_limited(standing):
    counts = shares(select({"name": "l1_relevance", "max_sources": 2}, standing))
    assert np.count_nonzero(counts) <= 2
    counts = shares(select({"name": "fixed_sources", "sources": 3}, standing))
    assert np.count_nonzero(counts) == 3


def test_fixed_sources_stay_the_same():
    ledger, _ = simulate(SMALL, "joint_linear", {"name": "fixed_sources", "sources": 3}, (120.0, 30.0, 30.0, 30.0), 0)
    chosen = [set(purchase.items.tolist()) for purchase in ledger.purchases[1:]]
    assert chosen[0] == chosen[1] == chosen[2]
    assert len(chosen[0]) == 3


@pytest.mark.parametrize("rule", ["lp", "fraction", "discrepancy"])
def test_all_rules_find_the_one_source_that_is_the_target(rule):
    problem = {"name": "synthetic_sources", "heads": "aligned", "noise": 0.05, "sources": 20}
    instance, ledger, model = stand(problem, first=1000.0)
    query = select({"name": "l1_relevance", "rule": rule, "floor": 0}, (instance, ledger, model), 2000.0)
    assert shares(query, 20).argmax() == 0


def test_a_lasso_that_leaves_nothing_spreads_evenly(standing):
    counts = shares(select({"name": "l1_relevance", "rule": "fraction", "fraction": 1.0}, standing, 120.0))
    assert counts.tolist() == [10] * 12


def test_the_agnostic_design_ignores_the_target_and_the_aware_one_does_not():
    queries = []
    for flip in (1.0, 2.0):
        instance, ledger, model = stand()
        model = type(model)(
            model.basis,
            model.task_map,
            model.target_heads if flip == 1 else np.eye(3)[:, :1] - model.target_heads,
            model.target_variance,
            model.sources_opened,
        )
        queries.append(
            [shares(select(name, (instance, ledger, model))) for name in ("target_agnostic", "target_aware")]
        )
    assert np.array_equal(queries[0][0], queries[1][0])
    assert not np.array_equal(queries[0][1], queries[1][1])


def test_strategies_that_know_the_truth_say_so_and_are_refused_where_it_is_not_known():
    knowing = {name for name in NAMES if FOUND.load(name).knows_truth}
    assert knowing == {"l2_relevance_known", "l1_relevance_known", "target_aware_known"}
    assert all("true_heads" in FOUND.load(name).needs for name in knowing)
    problem, trainer = build("problems", SMALL), build("trainers", "joint_linear")
    spec = RunSpec(problem, trainer, build("strategies", "l1_relevance"), None, (10.0, 10.0), 0)
    assert any("no model exists in the first round" in reason for reason in incompatibilities(spec))
    pool = RunSpec(problem, trainer, build("strategies", "margin"), None, (10.0, 10.0), 0)
    assert any("asks for pool, problem 'synthetic_sources' sells sources" in why for why in incompatibilities(pool))
