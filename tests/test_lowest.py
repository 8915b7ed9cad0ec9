"""What `make test-lowest` tests with are the lowest versions that setup.py allows, not what happened to be there."""

from __future__ import annotations

import os
from importlib.metadata import requires, version

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

DECLARED = [Requirement(line) for line in requires("labelbench-plus") or () if "extra ==" not in line]


@pytest.mark.skipif("LOWEST_VERSIONS" not in os.environ, reason="the versions here are newer: see make test-lowest")
@pytest.mark.parametrize("declared", DECLARED, ids=lambda requirement: requirement.name)
def test_a_lower_bound_is_what_is_installed(declared):
    (bound,) = (Version(part.version) for part in declared.specifier if part.operator == ">=")
    assert Version(Version(version(declared.name)).public) == bound  # public: torch adds +cpu, say
