"""Suites of prompts: they resolve, and where the answer is known they find it."""

from pathlib import Path

import numpy as np
import pytest

from labelbench_plus.budget import Ledger
from labelbench_plus.plugins import registry
from labelbench_plus.problems import Place
from labelbench_plus.seeding import Streams
from labelbench_plus.suite import load_suite

SUITES = Path(__file__).parents[2] / "benchmarks" / "suites"


@pytest.mark.parametrize("name", ["language_tiny", "instruction_quiz", "instruction_quiz_full", "instruction_flan"])
def test_a_suite_fits_together_whatever_is_on_this_machine(name, monkeypatch, no_network):
    """All but the hashes of data and weights is known by name: plugins, hyperparameters, what fits what, the budget."""
    for each in (registry("prompts").base, *map(registry("bases").load, ("causal", "tiny_llama"))):
        monkeypatch.setattr(each, "fingerprint", lambda self: "whatever it is")
    suite = load_suite(SUITES / f"{name}.yaml")
    (problem,) = suite.problems
    assert problem.capacity() >= sum(suite.budget.amounts()) and problem.dearest() == 1
    assert problem.beside() == {} and problem.unit == "responses"


@pytest.mark.slow  # 50 CPU seconds
def test_known_answer(tmp_path):
    """Two strategies at one budget: what covers the skills answers more of them, by more than two draws differ.

    As the suite has it, by 0.05 at least; three seeds here.
    """
    suite = load_suite(SUITES / "language_tiny.yaml")
    (problem,), (trainer,) = suite.problems, suite.trainers

    def score(given, seed):
        strategy = registry("strategies").build(given)
        instance, ledger = problem.open(Place(tmp_path), Streams(seed)), Ledger()
        view = instance.view(strategy.needs, ledger, None, 150.0)
        chosen = strategy.select(view, 150, Streams(seed).round(0).rng("strategy"))
        instance.oracle.answer(chosen, 150.0, ledger)
        model = trainer.fit(instance.training_data(ledger, with_validation=False), Streams(seed).round(0), None)
        return instance.evaluate(model).scores["macro_em"]

    draws = [{"name": "random"}, {"name": "random", "draw": 1}]
    found = {
        str(given): np.mean([score(given, seed) for seed in range(3)])
        for given in (*draws, {"name": "facility_location"})
    }
    random, other, covering = found.values()
    assert covering > random + 0.05
    assert abs(random - other) < covering - random
