"""The kit finds what is wrong, and calls it by its name: every bad strategy is caught by exactly its check."""

from __future__ import annotations

import itertools
import os
import sys
from pathlib import Path

import pytest
import torch

from labelbench_plus.plugins import load_plugin_file, registry
from labelbench_plus.strategies import strategies
from labelbench_plus.testing import check_strategy, cost
from labelbench_plus.testing.kit import checks_of

FILE = Path(__file__).parent / "bad_strategies.py"


def bad_ones() -> list[str]:
    lines = FILE.read_text().splitlines()
    classes = [
        line.split("class ")[1].partition("(")[0]
        for before, line in itertools.pairwise(lines)
        if before.startswith('@bad("')
    ]
    return [f"bad_{name.lower()}" for name in classes]


@pytest.fixture(scope="module", autouse=True)
def loaded():
    before = set(strategies._local)
    load_plugin_file(FILE)
    yield
    for name in set(strategies._local) - before:
        del strategies._local[name], strategies._classes[name]
    for module in [name for name in sys.modules if name.startswith("labelbench_plus_local_bad_strategies")]:
        del sys.modules[module]


@pytest.mark.parametrize("name", bad_ones())
def test_each_is_caught_by_exactly_its_check(name, monkeypatch):
    monkeypatch.setattr(cost, "GRACE_SECONDS", 3.0 if name == "bad_neverdone" else 60.0)
    monkeypatch.setattr(cost, "CANDIDATES", 2000)  # what they take does not depend on it, and it is quicker
    monkeypatch.setattr(cost, "WIDTH", 16)
    cls = registry("strategies").load(name)
    before = torch.get_default_dtype(), torch.get_rng_state(), os.getcwd()
    report = check_strategy(name, quick=cls.caught_by != "cost")
    assert (torch.get_default_dtype(), os.getcwd()) == before[::2]  # none of them reaches the tests after it
    assert torch.equal(torch.get_rng_state(), before[1])
    assert report.failed == [cls.caught_by], str(report)
    assert report[cls.caught_by].detail
    assert not report.passed


def test_there_are_more_than_twenty_of_them_and_every_check_has_one():
    caught = {registry("strategies").load(name).caught_by for name in bad_ones()}
    assert len(bad_ones()) > 20
    never_alone = {"accepted", "curve"}  # for other kinds of queries, and for information
    assert {check.id for check in checks_of("strategies").all} - caught == never_alone
