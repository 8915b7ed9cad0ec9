"""Heads unknown, through the real loop, oracle and ledger (acceptance check 10 of the specification).

Five seeds here, to stay quick; the twenty of the specification are those of the published suite
`source_tasks_unknown`, checked in `test_published_results`.
"""

from __future__ import annotations

import pytest

from labelbench_plus.running.job import Job, Where, carry_out
from labelbench_plus.store.run_store import RunStore
from labelbench_plus.suite import load_suite

SUITE = """\
suite: small
problems: [{{name: synthetic_sources, heads: {heads}}}]
trainers: [joint_linear]
strategies: [{strategies}]
initial: uniform_sources
baseline: uniform_sources
budget: {{first: 2000, batch: 857, growth: 2.0, rounds: 4}}
seeds: 0..4
"""


@pytest.fixture(scope="module")
def carried(tmp_path_factory):
    """Carry out a suite; the last representation excess by strategy, one entry a seed."""

    def carry(heads: str, *strategies: str) -> dict[str, list[float]]:
        folder = tmp_path_factory.mktemp(heads)
        (folder / "suite.yaml").write_text(SUITE.format(heads=heads, strategies=", ".join(strategies)))
        found: dict[str, list[float]] = {}
        for spec in load_suite(folder / "suite.yaml").runs():
            carry_out(Job.of(spec, Where(folder, folder)), lambda rounds: None)
            rounds = RunStore(folder, spec.id).rounds()
            assert [record.purchase.labels for record in rounds] == [2000, 857, 1714, 3428]
            assert rounds[-1].spent == 7999
            found.setdefault(spec.strategy.name, []).append(rounds[-1].scores["representation_excess"])
        return found

    return carry


def wins(a: list[float], b: list[float]) -> int:
    return sum(x < y for x, y in zip(a, b, strict=True))


def test_rare_heads_are_found_and_used(carried):
    found = carried("rare", "uniform_sources", "l2_relevance", "l1_relevance")
    assert wins(found["l1_relevance"], found["uniform_sources"]) == 5
    assert wins(found["l2_relevance"], found["uniform_sources"]) == 5
    assert wins(found["l1_relevance"], found["l2_relevance"]) >= 4


def test_generic_heads_gain_too(carried):
    found = carried("generic", "uniform_sources", "l1_relevance")
    assert wins(found["l1_relevance"], found["uniform_sources"]) >= 4
