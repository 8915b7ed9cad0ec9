"""Runs of both problems: killed and taken up again, and with strategies in a process of their own."""

import gc
import os
import signal
import types

import numpy as np
import pytest
import torch

from labelbench_plus.budget import Ledger
from labelbench_plus.problems import Place
from labelbench_plus.running.job import Job, Where, carry_out
from labelbench_plus.seeding import Streams
from labelbench_plus.suite import load_suite
from labelbench_plus.trainers.decoding.preference_policies import PreferencePolicies
from labelbench_plus.trainers.decoding.weight_posterior import WeightPosterior

WEIGHTING = """\
suite: small
problems: [{name: weighting, policies: {name: table, responses: 12}, pairs: 60}]
trainers: [{name: weight_posterior, particles: 200}]
strategies: [bald]
baseline: bald
budget: {first: 3, batch: 3, rounds: 3}
seeds: [0]
"""
OBJECTIVES = """\
suite: small
problems: [{name: objectives, policies: {name: token_world, vocabulary: 3, length: 2, hidden: 4}, grid: 3}]
trainers: [{name: preference_policies, combiner: retrain, penalties: [0.03, 0.3], folds: 2, steps: 10}]
strategies: [objective_uncertainty]
initial: uniform_sources
baseline: objective_uncertainty
budget: {first: 60, batch: 60, rounds: 3}
seeds: [0]
"""
BOTH = pytest.mark.parametrize(
    ("suite", "trainer"),
    [(WEIGHTING, WeightPosterior), (OBJECTIVES, PreferencePolicies)],
    ids=["weighting", "objectives"],
)


def files(root):
    (folder,) = (root / "runs").iterdir()
    return {path.name: path.read_bytes() for path in [*sorted(folder.glob("rounds/*")), folder / "result.json"]}


def carried(tmp_path, suite, name, isolate=None):
    (tmp_path / "suite.yaml").write_text(suite)
    (spec,) = load_suite(tmp_path / "suite.yaml").runs()
    carry_out(Job.of(spec, Where(tmp_path / name, tmp_path), isolate=isolate), lambda rounds: None)
    return files(tmp_path / name)


@BOTH
def test_a_run_killed_while_training_gives_the_same_bytes_when_resumed(tmp_path, suite, trainer):
    pid = os.fork()
    if pid == 0:
        original, calls = trainer.fit, iter(range(99))

        def doomed(*arguments):
            if next(calls) == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*arguments)

        try:
            trainer.fit = doomed
            carried(tmp_path, suite, "killed")
        finally:
            os._exit(1)  # whatever happened: a second test runner must not go on from here
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    assert carried(tmp_path, suite, "killed") == carried(tmp_path, suite, "whole")


@BOTH
def test_a_strategy_in_a_process_of_its_own_gives_the_same_bytes(tmp_path, suite, trainer):
    (tmp_path / "apart.yaml").write_text(f"isolate: process\n{suite}")
    isolate = load_suite(tmp_path / "apart.yaml").isolate
    assert carried(tmp_path, suite, "apart", isolate) == carried(tmp_path, suite, "here")


@BOTH
def test_what_a_trainer_is_shown_leads_to_no_true_reward(tmp_path, suite, trainer):
    (tmp_path / "suite.yaml").write_text(suite)
    (spec,) = load_suite(tmp_path / "suite.yaml").runs()
    instance = spec.problem.open(Place(tmp_path), Streams(0))
    truth = instance._opened.true_rewards
    data = instance.training_data(Ledger(), with_validation=False)
    assert any(thing is truth for thing in reachable(instance))
    assert not any(thing is truth or thing is instance._opened for thing in reachable(data))


def reachable(start):
    """Everything that an object leads to but through modules, classes and the globals of functions."""
    seen, waiting = {id(start)}, [start]
    while waiting:
        thing = waiting.pop()
        yield thing
        if hasattr(thing, "__closure__"):
            parts = [*(thing.__closure__ or ()), *(thing.__defaults__ or ())]
        else:
            parts = [] if isinstance(thing, torch.Tensor | np.ndarray) else gc.get_referents(thing)
        for part in parts:
            if id(part) not in seen and not isinstance(part, types.ModuleType | type):
                seen.add(id(part))
                waiting.append(part)
