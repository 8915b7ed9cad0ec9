"""Banks of scored responses: what a file holds comes back, what is no bank is refused, and sums over one are exact."""

import dataclasses
import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from labelbench_plus.combiners import combiners
from labelbench_plus.decoding.response_bank import BankError, bank_bytes, read_bank
from labelbench_plus.policy_sets import policy_sets
from labelbench_plus.policy_sets.response_bank import HOME
from labelbench_plus.problems import Place
from labelbench_plus.seeding import Streams
from tests.decoding.made_up_bank import made_up


def opened(bank, tmp_path):
    file = tmp_path / "mine.jsonl.gz"
    file.write_bytes(bank_bytes(bank, digits=12))
    return policy_sets.build({"name": "response_bank", "file": str(file)}).open(Place(Path("unused")), Streams(0))


def test_the_bank_that_comes_with_the_package_is_the_one_that_is_made():
    assert (HOME / "made_up.jsonl.gz").read_bytes() == bank_bytes(made_up())


def test_a_bank_comes_back_from_its_file():
    bank = made_up()
    again = read_bank(bank_bytes(bank, digits=12))
    assert (again.objectives, again.beta, again.prompts, again.texts) == (
        bank.objectives,
        bank.beta,
        bank.prompts,
        bank.texts,
    )
    for name in ("log_reference", "log_policies", "rewards"):
        np.testing.assert_allclose(getattr(again, name), getattr(bank, name), rtol=0, atol=1e-11)


def lines_with(number, change):
    lines = [json.loads(line) for line in gzip.decompress(bank_bytes(made_up())).splitlines()]
    change(lines[number])
    return gzip.compress("\n".join(map(json.dumps, lines)).encode(), mtime=0)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"not packed", "compressed with gzip"),
        (gzip.compress(b"{}", mtime=0), "one for each prompt"),
        (gzip.compress(b"{}\nnothing", mtime=0), "line 2"),
        (lines_with(0, lambda line: line.pop("beta")), "line 1: expected the fields"),
        (lines_with(0, lambda line: line.update(bank=2)), "line 1: expected the fields .* 'bank' 1"),
        (lines_with(0, lambda line: line.update(beta=-1)), "line 1: beta: expected a number above 0"),
        (lines_with(0, lambda line: line.update(divergence="chi2")), "line 1: divergence 'chi2'"),
        (lines_with(0, lambda line: line.update(objectives=["a", "a"])), "line 1: objectives: expected different"),
        (lines_with(0, lambda line: line.update(objectives=["a:b", "c"])), "line 1: objectives: expected different"),
        (lines_with(3, lambda line: line["responses"].pop()), "line 4: expected 16 responses"),
        (lines_with(2, lambda line: line["responses"][5].pop("text")), "line 3, response 5: expected"),
        (
            lines_with(2, lambda line: line["responses"][5].update(policies=[-1.0])),
            "response 5: policies: expected 2 numbers",
        ),
        (lines_with(2, lambda line: line["responses"][5].update(rewards=[1, "2"])), "response 5: rewards: expected n"),
        (lines_with(2, lambda line: line["responses"][5].update(reference=0.5)), "response 5: .* at most 0, got 0.5"),
    ],
)
def test_what_is_no_bank_is_refused_with_the_line(content, says):
    with pytest.raises(BankError, match=says):
        read_bank(content)


def test_a_file_that_is_not_there_or_no_bank_is_named(tmp_path):
    build = policy_sets.build
    with pytest.raises(FileNotFoundError, match=r"response_bank: no file .*gone"):
        build({"name": "response_bank", "file": str(tmp_path / "gone")}).fingerprint()
    (tmp_path / "odd").write_bytes(b"odd")
    with pytest.raises(BankError, match="response_bank: odd: expected a file compressed"):
        build({"name": "response_bank", "file": str(tmp_path / "odd")}).objectives()


def test_the_best_value_is_a_logarithm_of_a_mean_and_policies_that_are_optimal_reach_it(tmp_path):
    bank, weights = made_up(), np.array([0.3, 0.7])
    optimal = bank.rewards / bank.beta
    optimal -= np.log(np.exp(optimal).mean(axis=-1, keepdims=True))
    bank = dataclasses.replace(
        bank, log_reference=bank.log_reference - 20, log_policies=bank.log_reference - 20 + optimal
    )
    world = opened(bank, tmp_path)
    wanted = np.tensordot(weights, bank.rewards, axes=1) / bank.beta
    known = bank.beta * np.log(np.exp(wanted).mean(axis=-1)).mean()
    assert world.best(weights).value == pytest.approx(known, abs=1e-9)
    mod = combiners.build("mod")
    found = mod.respond(world.given.policies(mod.needs), weights, Streams(0))
    assert world.outcome(found, weights).value == pytest.approx(known, abs=1e-9)


def test_policies_that_are_not_optimal_lack_something_and_less_than_the_reference(tmp_path):
    world, mod = opened(made_up(), tmp_path), combiners.build("mod")
    for first in (0.0, 0.25, 0.5, 1.0):
        weights = np.array([first, 1 - first])
        found = world.outcome(mod.respond(world.given.policies(mod.needs), weights, Streams(0)), weights)
        best = world.best(weights).value
        assert 0 < best - found.value < 0.3 * (best - world.reference(weights).value)
    with pytest.raises(ValueError, match="nothing can be learned on it"):
        world.learner()
