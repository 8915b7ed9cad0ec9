"""Runs of source-task problems for tests: through the loop's own steps, kept in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from labelbench_plus.budget import Ledger, allowance
from labelbench_plus.plugins import registry
from labelbench_plus.problems import Place
from labelbench_plus.seeding import Streams

HERE = Place(Path("unused"))


def build(kind: str, value: Any) -> Any:
    return registry(kind).build(value)


def final_scores(
    problem: Any, trainer: Any, strategy: Any, amounts: tuple[float, ...], seed: int, initial: Any = "uniform_sources"
) -> dict[str, float]:
    """The scores after the last round; the first is chosen by `initial`, unless that is None."""
    return simulate(problem, trainer, strategy, amounts, seed, initial)[1]


def simulate(
    problem: Any, trainer: Any, strategy: Any, amounts: tuple[float, ...], seed: int, initial: Any = "uniform_sources"
) -> tuple[Ledger, dict[str, float]]:
    """The ledger and the last scores of a run."""
    streams, fitter, chooser = Streams(seed), build("trainers", trainer), build("strategies", strategy)
    instance = build("problems", problem).open(HERE, streams)
    ledger, model = Ledger(), None
    for number in range(len(amounts)):
        own = build("strategies", initial) if number == 0 and initial is not None else chooser
        money = allowance(amounts, number, ledger)
        view = instance.view(own.needs, ledger, model, money)
        query = own.select(view, instance.oracle.ask_for(money, ledger), streams.round(number).rng("strategy"))
        instance.oracle.answer(query, money, ledger)
        data = instance.training_data(ledger, with_validation=False)
        model = fitter.fit(data, streams.round(number), None)
    return ledger, instance.evaluate(model)
