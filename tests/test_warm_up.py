"""No round is charged for what is imported when it is first used."""

import subprocess
import sys

import pytest

PROBE = """
import sys
from pathlib import Path

from labelbench_plus import load_suite, measure
from labelbench_plus.running.job import Where, carry_out, local_jobs

enter, leave = measure.Meter.__enter__, measure.Meter.__exit__
late = set()

def entered(meter):
    meter.before = set(sys.modules)
    return enter(meter)

def left(meter, *error):
    late.update(set(sys.modules) - meter.before)
    leave(meter, *error)

measure.Meter.__enter__, measure.Meter.__exit__ = entered, left
(job,) = local_jobs(load_suite(Path(sys.argv[1])).runs(), Where.here(Path(sys.argv[2])), 1)
carry_out(job, lambda rounds: None)
# Libraries load small parts of themselves as they need them; torch's optimizers, one that takes seconds.
late = {name for name in late if "." not in name or name.startswith("labelbench_plus") or name == "torch._dynamo"}
assert not late, f"first imported while a round was metered: {sorted(late)}"
"""

SUITE = """
suite: one
problems: [{problem}]
trainers: [{trainer}]
strategies: [{strategy}]
baseline: {strategy}
initial: null
budget: {budget}
seeds: [0]
"""
DIGITS = "{name: classification, dataset: digits, encoder: pixels}"


@pytest.mark.parametrize(
    ("problem", "trainer", "strategy", "budget"),
    [
        (DIGITS, "logistic_regression", "relaxed_d_optimal", "{first: 20, batch: 10, rounds: 2}"),
        (
            DIGITS,
            "{name: fixmatch, network: linear, augment: noise, steps: 2}",
            "typiclust",
            "{first: 20, batch: 10, rounds: 2}",
        ),
        (
            "{name: synthetic_sources, heads: rare}",
            "joint_linear",
            "l1_relevance_known",
            "{first: 2000, batch: 1, rounds: 1}",
        ),
    ],
    ids=["logistic regression", "FixMatch", "source tasks"],
)
def test_nothing_is_first_imported_while_a_round_is_metered(tmp_path, problem, trainer, strategy, budget):
    file = tmp_path / "suite.yaml"
    file.write_text(SUITE.format(problem=problem, trainer=trainer, strategy=strategy, budget=budget))
    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(file), str(tmp_path / "out")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
