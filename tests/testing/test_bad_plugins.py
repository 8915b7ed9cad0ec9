"""Bad plugins are caught by exactly their check, whatever kind they are of. Strategies have a test of their own."""

from __future__ import annotations

import importlib
import os

import pytest
import torch

from labelbench_plus.plugins import registry
from labelbench_plus.testing.kit import check_plugin, checks_of

# Checks that are older than the bad plugins of their kind.
WITH_ONE = {"problems": {"annotator", "resume", "capabilities", "evaluates"}, "trainers": {"constant_labels", "learns"}}
WITHOUT_ONE = {kind: {check.id for check in checks_of(kind).all} - found for kind, found in WITH_ONE.items()}


@pytest.fixture(
    params=[
        "problems",
        "trainers",
        "datasets",
        "metrics",
        "conditions",
        "networks",
        "augmentations",
        "combiners",
        "bases",
        "synthesisers",
        "annotators",
    ]
)
def kind(request):
    """A kind whose bad plugins are registered, and forgotten after the test."""
    known = registry(request.param)
    before = set(known._local)
    importlib.reload(importlib.import_module(f"tests.testing.bad_{request.param}"))
    yield request.param
    for name in set(known._local) - before:
        del known._local[name], known._classes[name]


def bad_ones(kind: str) -> dict[str, type]:
    classes = {name: registry(kind).load(name) for name in registry(kind)._local}
    return {name: cls for name, cls in classes.items() if hasattr(cls, "caught_by")}


def test_each_is_caught_by_exactly_its_check(kind):
    wrong = []
    for name, cls in bad_ones(kind).items():
        before = torch.get_default_dtype(), torch.get_rng_state(), os.getcwd()
        report = check_plugin(kind, name)
        assert (torch.get_default_dtype(), os.getcwd()) == before[::2]  # none of them reaches the tests after it
        assert torch.equal(torch.get_rng_state(), before[1])
        if report.failed != [cls.caught_by] or not report[cls.caught_by].detail:
            wrong.append(f"{name} should be caught by {cls.caught_by} alone: {report}")
    assert not wrong, "\n\n".join(wrong)


def test_every_check_has_one(kind):
    caught = {cls.caught_by for cls in bad_ones(kind).values()}
    assert {check.id for check in checks_of(kind).all} - caught == WITHOUT_ONE.get(kind, set())
