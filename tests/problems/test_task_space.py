"""The synthetic task spaces (acceptance check 13 of the specification, on eight of its twenty seeds).

All twenty are those of the published suite `source_tasks_space`.
"""

from __future__ import annotations

import numpy as np
import pytest

from labelbench_plus.budget import Ledger
from labelbench_plus.problems.task_space import task_heads
from labelbench_plus.seeding import Streams
from tests.source_tasks.simulate import HERE, build, final_scores, simulate

SMALL = {"name": "task_space", "inputs": "bilinear", "matrix_seed": 43}
AMOUNTS = (993.0, 1291.0, 1678.0, 2182.0)


def test_the_matrices_are_the_authors():
    heads, target = task_heads(4, 79, 12434)
    assert np.linalg.cond(heads) == pytest.approx(8.037, abs=1e-3)
    assert np.array_equal(target, heads[:, 0])
    assert np.allclose(np.linalg.norm(heads, axis=0), 1)


def test_active_tasks_beat_passive_ones():
    found = {
        name: np.array([final_scores(SMALL, "bilinear_als", name, AMOUNTS, seed)["excess_risk"] for seed in range(8)])
        for name in ("uniform_sources", "target_agnostic", "target_aware")
    }
    assert (found["target_agnostic"] < found["uniform_sources"]).sum() >= 6
    assert (found["target_aware"] < found["uniform_sources"]).sum() >= 7
    assert found["target_aware"].mean() / found["uniform_sources"].mean() <= 0.65


@pytest.mark.parametrize("inputs", ["bilinear", "fourier", "network"])
def test_labels_are_what_the_truth_says(inputs):
    problem = {"name": "task_space", "inputs": inputs, "dimension": 10, "noise": 0.0, "tasks": 8, "features": 30}
    instance = build("problems", problem).open(HERE, Streams(0))
    ledger = Ledger()
    uniform = build("strategies", "uniform_sources")
    instance.oracle.answer(uniform.select(instance.view(uniform.needs, ledger, None, 800.0), 800, None), 800.0, ledger)
    data = instance.training_data(ledger, with_validation=False)
    assert np.array_equal(data.descriptors, np.eye(8))
    if inputs == "network":
        return  # its truth is no linear map of the inputs
    model = build("trainers", "bilinear_als").fit(data, None, None)
    assert instance.evaluate(model)["excess_risk"] < 1e-5


@pytest.mark.parametrize("space", ["ball", "box", "finite"])
@pytest.mark.parametrize("strategy", ["uniform_sources", "target_agnostic", "target_aware", "target_aware_known"])
def test_every_space_serves_every_strategy(space, strategy):
    problem = {**SMALL, "space": space, "tasks": 6, "dimension": 8, "target_labels": 100, "candidates": 20}
    ledger, scores = simulate(problem, "bilinear_als", strategy, (200.0, 100.0, 130.0), 0)
    assert [purchase.labels for purchase in ledger.purchases] == [200, 100, 130]
    assert np.isfinite(scores["excess_risk"])


def test_the_search_of_a_box_comes_near_the_target():
    problem = {**SMALL, "space": "box", "tasks": 3, "dimension": 6, "target_labels": 2000, "candidates": 12}
    strategy = {"name": "target_aware_known", "search": "nearest"}
    ledger, _ = simulate(problem, "bilinear_als", strategy, (200.0, 400.0), 0)
    instance = build("problems", problem).open(HERE, Streams(0))
    view = instance.view(frozenset({"true_heads"}), Ledger(), None, 1.0)
    heads = view.true_task_map @ ledger.purchases[1].items.T
    assert np.linalg.norm(heads - view.true_target_heads, axis=0).min() < 0.02


def test_the_truth_is_reached_by_no_one_who_is_not_told():
    ledger, _ = simulate(SMALL, "bilinear_als", "target_aware", (993.0, 1000.0), 0)
    known, _ = simulate(SMALL, "bilinear_als", "target_aware_known", (993.0, 1000.0), 0)
    assert np.array_equal(ledger.purchases[0].answers, known.purchases[0].answers)  # one stream of labels for both
    assert not np.array_equal(ledger.purchases[1].items, known.purchases[1].items)
