"""What theory says of allocations when the heads are known (acceptance checks 7 to 9 of the specification).

Three seeds here, to stay quick; the twenty of the specification are those of the published suite `source_tasks_known`,
checked in `test_published_results`.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from labelbench_plus.algorithms.relevance import l1_relevance, min_norm_relevance
from labelbench_plus.algorithms.water_filling import water_fill
from labelbench_plus.budget import Ledger
from labelbench_plus.seeding import Streams
from labelbench_plus.source_tasks.allocation import Allocation
from tests.source_tasks.simulate import HERE, build

SEEDS, TOTAL, FLOOR = range(3), 20_000, 20
RULES = {
    "uniform": lambda heads, target: np.ones(heads.shape[1]),
    "l2 squared": lambda heads, target: min_norm_relevance(heads, target) ** 2,
    "l2 absolute": lambda heads, target: np.abs(min_norm_relevance(heads, target)),
    "l1": lambda heads, target: np.abs(l1_relevance(heads, target)),
}


@cache
def measured(kind: str) -> dict[str, np.ndarray]:
    """For each rule the representation excess and what the master formula says, (seeds, 2)."""
    problem = build("problems", {"name": "synthetic_sources", "heads": kind})
    trainer, found = build("trainers", "joint_linear"), {}
    for name, rule in RULES.items():
        pairs = []
        for seed in SEEDS:
            _, heads, target = problem.truth(Streams(seed))
            counts = water_fill(rule(heads, target), TOTAL, FLOOR)
            instance, ledger = problem.open(HERE, Streams(seed)), Ledger()
            instance.oracle.answer(Allocation.of_counts(counts), float(TOTAL), ledger)
            model = trainer.fit(instance.training_data(ledger, with_validation=False), Streams(seed).round(0), None)
            formula = (40 - 5) * target @ np.linalg.solve((heads * counts) @ heads.T, target)
            pairs.append((instance.evaluate(model)["representation_excess"], formula))
        found[name] = np.array(pairs)
    return found


@pytest.mark.parametrize("kind", ["rare", "aligned", "generic"])
@pytest.mark.parametrize("rule", RULES)
def test_the_master_formula_predicts_the_excess(kind, rule):
    excess, formula = measured(kind)[rule].mean(axis=0)
    assert abs(excess / formula - 1) < 0.25


def test_on_rare_heads_l1_beats_l2_beats_uniform():
    found = {name: pairs[:, 0] for name, pairs in measured("rare").items()}
    assert (found["l1"] < found["l2 squared"]).all()
    assert (found["l2 squared"] < found["uniform"]).all()
    assert found["uniform"].mean() / found["l1"].mean() >= 8
    assert found["l2 squared"].mean() / found["l1"].mean() >= 1.6


def test_nothing_is_gained_where_nothing_can_be():
    heads, target = np.eye(5), np.full(5, 5**-0.5)
    shares = [rule(heads, target) for rule in RULES.values()]
    counts = [water_fill(share, 1000, 20).tolist() for share in shares]
    assert counts == [[200] * 5] * 4
    problem = build("problems", {"name": "synthetic_sources", "heads": "identity", "sources": 5})
    for strategy in ("uniform_sources", "l2_relevance_known", "l1_relevance_known"):
        instance, ledger = problem.open(HERE, Streams(0)), Ledger()
        chooser = build("strategies", strategy)
        query = chooser.select(instance.view(chooser.needs, ledger, None, 1000.0), 1000, np.random.default_rng(0))
        assert query.counts.tolist() == [200] * 5
