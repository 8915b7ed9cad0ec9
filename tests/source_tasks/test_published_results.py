"""The published runs of twenty seeds against what theory and the specification demand (checks 8 to 10 and 13)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from labelbench_plus.algorithms.relevance import l1_relevance, min_norm_relevance
from labelbench_plus.algorithms.water_filling import water_fill
from labelbench_plus.seeding import Streams
from tests.source_tasks.simulate import build

RESULTS = Path(__file__).parents[2] / "results"
SHARES = {
    "uniform_sources": lambda heads, target: np.ones(heads.shape[1]),
    "l2_relevance_known(floor=20)": lambda heads, target: min_norm_relevance(heads, target) ** 2,
    "l1_relevance_known(floor=20)": lambda heads, target: np.abs(l1_relevance(heads, target)),
}


def last(suite: str, problem: str, metric: str) -> pd.DataFrame:
    """The final scores, a row a seed and a column a strategy."""
    curves = pd.read_csv(RESULTS / suite / "curves.csv")
    final = curves[(curves["problem"] == problem) & (curves["round"] == curves["round"].max()) & curves["complete"]]
    found = final.pivot(index="seed", columns="strategy", values=metric)
    assert len(found) == 20
    assert not found.isna().to_numpy().any()
    return found


@pytest.mark.parametrize("heads", ["rare", "aligned", "generic"])
@pytest.mark.parametrize("strategy", SHARES)
def test_the_master_formula_predicts_the_excess(heads, strategy):
    found = last("source_tasks_known", f"synthetic_sources(heads={heads})", "representation_excess")[strategy]
    problem, expected = build("problems", {"name": "synthetic_sources", "heads": heads}), []
    for seed in found.index:
        _, sources, target = problem.truth(Streams(int(seed)))
        counts = water_fill(SHARES[strategy](sources, target), 20_000, 0 if strategy == "uniform_sources" else 20)
        expected.append(35 * target @ np.linalg.solve((sources * counts) @ sources.T, target))
    assert abs(found.mean() / np.mean(expected) - 1) < 0.25


def test_known_rare_heads():
    found = last("source_tasks_known", "synthetic_sources(heads=rare)", "representation_excess")
    uniform, long, short = (found[name] for name in SHARES)
    assert (short < long).sum() >= 18
    assert (long < uniform).sum() >= 18
    assert uniform.mean() / short.mean() >= 8
    assert long.mean() / short.mean() >= 1.6


def test_unknown_heads():
    found = last("source_tasks_unknown", "synthetic_sources(heads=rare)", "representation_excess")
    assert (found["l1_relevance"] < found["uniform_sources"]).sum() >= 18
    assert (found["l2_relevance"] < found["uniform_sources"]).sum() >= 18
    assert (found["l1_relevance"] < found["l2_relevance"]).sum() >= 15
    found = last("source_tasks_unknown", "synthetic_sources(heads=generic)", "representation_excess")
    assert (found["l1_relevance"] < found["uniform_sources"]).sum() >= 16


@pytest.mark.parametrize("problem", ["inputs=bilinear", "inputs=bilinear, matrix_seed=43"])
def test_a_continuous_space(problem):
    found = last("source_tasks_space", f"task_space({problem})", "excess_risk")
    assert (found["target_aware"] < found["uniform_sources"]).sum() >= 16
    assert (found["target_agnostic"] < found["uniform_sources"]).sum() >= 14
    assert found["target_aware"].mean() / found["uniform_sources"].mean() <= 0.65
