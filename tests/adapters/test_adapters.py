"""Strategies of other projects, unmodified: the same inputs, the same picks where the algorithm is the same."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from labelbench_plus.adapters.labelbench import LabelBenchStrategy
from labelbench_plus.adapters.pool import AdapterError
from labelbench_plus.adapters.skactiveml import SkactivemlStrategy
from labelbench_plus.adapters.small_text import SmallTextStrategy
from labelbench_plus.oracle import QueryError, as_items, check_items
from labelbench_plus.plugins import registry
from labelbench_plus.testing import check_strategy, make_view
from labelbench_plus.testing.pool_scene import random_pool
from tests.adapters import lb_shaped

LB = "tests.adapters.lb_shaped"


def has(package: str) -> pytest.MarkDecorator:
    missing = importlib.util.find_spec(package) is None
    return pytest.mark.skipif(missing, reason=f"{package} is not installed: pip install 'labelbench-plus[adapters]'")


def picks(strategy, n=9, seed=0, **pool):
    return strategy.select(make_view(needs=strategy.needs, **pool), n, np.random.default_rng(seed)).tolist()


def ours(name, n=9, **pool):
    return picks(registry("strategies").build(name), n, **pool)


# -- LabelBench -------------------------------------------------------------------------------------------------------


def test_a_labelbench_class_runs_unmodified_and_passes_the_checks():
    margin = LabelBenchStrategy(f"{LB}:Margin")
    assert margin.needs == {"probabilities", "num_classes"}
    assert picks(margin) == ours("margin")
    # It is LabelBench's contract, not ours, to clamp a budget and to take NaN for a number.
    report = check_strategy(
        margin, quick=True, expected_failures={"not_finite": "as written", "too_many": "as written"}
    )
    assert report.passed, str(report)


def test_inputs_are_said_by_the_class_too():
    assert LabelBenchStrategy(f"{LB}:OfTheClass").needs == {"probabilities", "num_classes"}
    assert picks(LabelBenchStrategy(f"{LB}:OfTheClass")) == ours("margin")


def test_labels_that_were_not_bought_are_what_the_model_predicts():
    strategy = LabelBenchStrategy(f"{LB}:Believes")
    view = make_view(needs=strategy.needs)
    strategy.select(view, 5, np.random.default_rng(0))
    seen = lb_shaped.Believes.seen
    assert (seen["labels"].sum(axis=1) == 1).all()
    assert (seen["labels"].argmax(axis=1) == seen["predictions"].argmax(axis=1)).all()


def test_labels_that_were_not_bought_are_masked():
    strategy = LabelBenchStrategy(f"{LB}:WithLabels", config='{"B1": 20}')
    assert strategy.needs == {"embeddings", "labels", "num_classes"}
    view = make_view(needs=strategy.needs)
    strategy.select(view, 5, np.random.default_rng(0))
    seen = lb_shaped.WithLabels.seen
    assert seen["hidden"] == 0
    assert seen["known"].tolist() == view.labels.tolist()
    assert (seen["size"], seen["count"], seen["classes"], seen["shape"]) == (60, 12, 4, (60, 6))
    assert seen["names"] == ("0", "1", "2", "3")
    assert seen["config"] == {"B1": 20}
    assert picks(strategy, seed=1) == picks(strategy, seed=1) != picks(strategy, seed=2)


def test_what_no_strategy_may_see_is_refused_and_a_wrong_count_is_stopped():
    with pytest.raises(AdapterError, match="asks for test labels, which no strategy may see"):
        LabelBenchStrategy(f"{LB}:Peeks").needs  # noqa: B018
    with pytest.raises(AdapterError, match="has no 'Absent'"):
        LabelBenchStrategy(f"{LB}:Absent").needs  # noqa: B018
    with pytest.raises(AdapterError, match=r"AsksNothing sets no input_types: a list such as"):
        LabelBenchStrategy(f"{LB}:AsksNothing").needs  # noqa: B018
    with pytest.raises(AdapterError, match=r"the constructor of .*AsksTooEarly asks its data set for get_num_classes"):
        LabelBenchStrategy(f"{LB}:AsksTooEarly").needs  # noqa: B018
    with pytest.raises(AdapterError, match="cannot be imported"):
        LabelBenchStrategy("no_such_checkout.strategy:Margin").needs  # noqa: B018
    chosen = picks(LabelBenchStrategy(f"{LB}:OneTooMany"))
    with pytest.raises(QueryError, match="expected 9 items, got 10"):
        check_items(as_items(chosen), 9, 60, np.empty(0, dtype=np.int64))


# -- scikit-activeml --------------------------------------------------------------------------------------------------


@has("skactiveml")
@pytest.mark.parametrize(
    ("method", "name"), [("margin_sampling", "margin"), ("least_confident", "least_confidence"), ("entropy", "entropy")]
)
def test_uncertainty_of_scikit_activeml_is_ours(method, name):
    theirs = SkactivemlStrategy("UncertaintySampling", f'{{"method": "{method}"}}')
    assert theirs.needs == {"features", "probabilities", "labels"}
    assert picks(theirs) == ours(name)


@has("skactiveml")
def test_core_set_of_scikit_activeml_is_k_center():
    assert picks(SkactivemlStrategy("CoreSet"), seed=3) == ours("k_center")


@has("skactiveml")
@pytest.mark.parametrize("strategy", ["RandomSampling", "Badge", "TypiClust"])
def test_strategies_of_scikit_activeml_keep_the_contract(strategy):
    adapted = SkactivemlStrategy(strategy)
    for n in (1, 7):
        chosen = picks(adapted, n, seed=1)
        check_items(as_items(chosen), n, 60, make_view().labelled.numpy())
        assert chosen == picks(adapted, n, seed=1)


@has("skactiveml")
def test_scikit_activeml_passes_the_checks():
    report = check_strategy(SkactivemlStrategy("UncertaintySampling"), quick=True)
    assert report.passed, str(report)
    with pytest.raises(AdapterError, match="wants ensemble, which is not adapted"):
        SkactivemlStrategy("QueryByCommittee").needs  # noqa: B018


# -- small-text -------------------------------------------------------------------------------------------------------


@has("small_text")
@pytest.mark.parametrize(
    ("strategy", "name"),
    [("BreakingTies", "margin"), ("LeastConfidence", "least_confidence"), ("PredictionEntropy", "entropy")],
)
def test_uncertainty_of_small_text_is_ours(strategy, name):
    assert set(picks(SmallTextStrategy(strategy))) == set(ours(name))  # it gives them in no order


@has("small_text")
def test_greedy_core_set_of_small_text_is_k_center():
    pool = random_pool()
    theirs = SmallTextStrategy("GreedyCoreset", reads="embeddings", arguments='{"normalize": false}')
    assert picks(theirs) == ours("k_center", features=pool["embeddings"])


@has("small_text")
def test_small_text_passes_the_checks():
    report = check_strategy(SmallTextStrategy("BreakingTies"), quick=True)
    assert report.passed, str(report)
    drawn = SmallTextStrategy("RandomSampling", reads="nothing")
    assert picks(drawn, seed=1) == picks(drawn, seed=1) != picks(drawn, seed=2)
    with pytest.raises(AdapterError, match="asks for probabilities, but `reads` says nothing"):
        picks(SmallTextStrategy("BreakingTies", reads="nothing"))


@pytest.mark.parametrize("adapter", [SkactivemlStrategy, SmallTextStrategy])
def test_a_missing_package_is_named(adapter, monkeypatch):
    import importlib

    def absent(name, *rest):
        raise ImportError(f"no {name}")

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(AdapterError, match=r"install .*labelbench-plus\[adapters\]"):
        adapter("Anything").select(make_view(), 3, np.random.default_rng(0))
