"""Choosing again with strategies that look at nothing: they choose the same on every machine, without training.

What such a strategy is said to have bought is therefore checked in full: the random baseline's purchases, above all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from labelbench_plus import questions
from labelbench_plus.budget import Ledger, Purchase
from labelbench_plus.contracts.problems import Instance
from labelbench_plus.contracts.strategies import Strategy
from labelbench_plus.plugins import is_built_in
from labelbench_plus.spec import RunSpec
from labelbench_plus.steps import Steps
from labelbench_plus.store.archive import ARCHIVE
from labelbench_plus.submission.findings import Finding, some


def chooses_blind(strategy: Strategy) -> bool:
    """Whether a strategy is the benchmark's own and reads nothing of its view: neither features nor a model."""
    return not strategy.needs and is_built_in(strategy)


def check_streamed(run: Mapping[str, Any], spec: RunSpec, instance: Instance) -> Iterator[Finding]:
    """Whether pairs of a stream, which a purchase lists as masks, are as many as were paid, and each bought once."""
    question = questions.of(spec.problem.query)
    if not question.streamed:
        return
    before = np.empty(0, dtype=np.int64)
    for number, record in enumerate(run["rounds"]):
        said, where = Purchase.from_json(record["purchase"]), f"rounds.{number}.purchase.answers"
        try:
            rows, _ = question.parts(instance.oracle, said)
        except (ValueError, IndexError) as error:
            yield Finding(ARCHIVE, "cannot be read", run["run"], where, "which pairs were bought", str(error))
            return
        if len(rows) != said.labels:
            what = "other numbers of pairs than were paid"
            yield Finding(ARCHIVE, what, run["run"], where, str(said.labels), str(len(rows)))
        if len(again := np.intersect1d(before, rows)):
            what = "pairs were bought in an earlier round"
            yield Finding(ARCHIVE, what, run["run"], where, "pairs not bought yet", some(again.tolist()))
        before = np.union1d(before, rows)


def check_chosen_blind(run: Mapping[str, Any], spec: RunSpec, instance: Instance) -> Iterator[Finding]:
    """Whether rounds that are chosen blind bought exactly what is chosen, in order."""
    if not any(chooses_blind(spec.chooser(number)) for number in range(len(run["rounds"]))):
        return
    steps, ledger = Steps(spec, instance), Ledger()
    for number, record in enumerate(run["rounds"]):
        said = Purchase.from_json(record["purchase"])
        if chooses_blind(chooser := spec.chooser(number)):
            due, found = _chosen(steps, number, ledger, said)
            wrong = next((name for name in due if not np.array_equal(due[name], found[name])), None)
            if wrong:
                what = f"not what {chooser.name} buys at this seed, which depends on nothing else"
                where = f"rounds.{number}.purchase.{wrong}"
                expected, actual = (some(each[wrong].tolist()) for each in (due, found))
                yield Finding(ARCHIVE, what, run["run"], where, expected, actual)
        ledger.purchases.append(said)


def _chosen(
    steps: Steps, number: int, ledger: Ledger, said: Purchase
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """What tells a choice of the round from another, by name: as it comes out, and as it is `said` to be."""
    problem, oracle = steps.spec.problem, steps.instance.oracle
    question = questions.of(problem.query)
    if question.streamed:  # which pairs of a shard were chosen only its answer says
        due = steps.would_buy(number, ledger, None)
        return {"answers": question.parts(oracle, due)[0]}, {"answers": question.parts(oracle, said)[0]}
    items, prices = steps.would_sell(number, ledger, None)
    if problem.settles_prices:
        return {"items": items}, {"items": said.items}
    return {"items": items, "prices": prices}, {"items": said.items, "prices": said.prices}  # of sources: how many
