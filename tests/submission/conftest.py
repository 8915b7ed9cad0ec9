"""The honest submission is computed once; every test gets a copy of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from labelbench_plus.problems import Place
from labelbench_plus.running.job import Job, Where, carry_out
from labelbench_plus.submission.pack import pack
from labelbench_plus.suite import load_suite
from tests.conftest import SUITE
from tests.submission.bundles import WHO

LARGER = (
    SUITE.replace("[random, margin]", "[random, margin, entropy]")
    .replace("rounds: 3", "rounds: 4")
    .replace("0..1", "0..3")
)


@pytest.fixture(scope="session")
def computed(tmp_path_factory):
    """A suite file, and an output folder with its finished runs."""
    home = tmp_path_factory.mktemp("submission")
    suite = home / "small.yaml"
    suite.write_text(SUITE)
    for spec in load_suite(suite).runs():
        job = Job.of(spec, Where(home / "out", home / "cache"))
        carry_out(job, lambda rounds: None)
    loaded = load_suite(suite)
    pack(loaded, loaded.runs(), home / "out", home / "bundle", **WHO, differences=["run by the tests"])
    return home


@pytest.fixture(scope="session")
def larger(tmp_path_factory):
    """A finished submission of three strategies at four seeds, large enough to show what is small."""
    home = tmp_path_factory.mktemp("larger")
    suite = home / "small.yaml"
    suite.write_text(LARGER)
    loaded = load_suite(suite)
    for spec in loaded.runs():
        carry_out(Job.of(spec, Where(home / "out", home / "cache")), lambda rounds: None)
    pack(loaded, loaded.runs(), home / "out", home / "bundle", **WHO, differences=["run by the tests"])
    return home


@pytest.fixture
def large(larger, tmp_path) -> Path:
    return Path(shutil.copytree(larger / "bundle", tmp_path / "large"))


@pytest.fixture
def bundle(computed, tmp_path) -> Path:
    return Path(shutil.copytree(computed / "bundle", tmp_path / "bundle"))


@pytest.fixture
def place(computed) -> Place:
    return Place(computed / "cache")
