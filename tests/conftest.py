"""What all tests share: a small real problem, and a place to compute that leaves nothing behind."""

from __future__ import annotations

import _posixsubprocess
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from labelbench_plus._torchvision_compat import install
from tests.shares import Shares, place
from tests.starter import Starter

# One thread a process: several processes test at once, and a second thread each would only make them wait.
os.environ.setdefault("OMP_NUM_THREADS", "1")

SUITE = """\
suite: small
problems:
  - {name: classification, dataset: digits, encoder: pixels}
trainers: [logistic_regression]
strategies: [random, margin]
budget: {first: 20, batch: 10, rounds: 3}
seeds: 0..1
"""


# Tests that start many processes: those are started warm. What starts are like is tested by others.
WARM = (
    *("running/test_local.py", "running/test_job.py", "running/test_drift.py", "submission/test_bounds.py"),
    *("store/test_crash.py", "store/test_lease.py", "store/test_holder.py", "features/test_encoded.py"),
    *("isolation/test_strangers.py", "isolation/test_wire.py", "test_limited.py", "sweep/", "answering/test_runs.py"),
    *("running/test_proxy.py", "store/test_artefacts.py", "store/test_prune.py", "test_loop.py", "test_scores.py"),
    *("pairs/test_workspace.py", "problems/test_regression.py", "test_cli.py"),
)

# Containers often forbid to keep compiled files: hundreds of processes that tests start would compile the package anew.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

install()  # tests import timm and transformers themselves, also where torchvision's extension cannot load


def pytest_xdist_auto_num_workers() -> int:
    """For `-n auto`: one more than there are processors, since the tests on a real SLURM mostly wait."""
    return (os.cpu_count() or 1) + 1


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Shares | None:
    return Shares(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: place(item.nodeid))


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Tests neither read nor fill the user's feature cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LBP_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def _starter() -> Iterator[Starter]:
    starter = Starter(_posixsubprocess.fork_exec)
    yield starter
    starter.close()


@pytest.fixture(scope="module")
def warm_starts(_starter: Starter) -> Iterator[Starter]:
    """Python processes that the tests of a module start have torch loaded, though they do not know it."""
    with pytest.MonkeyPatch.context() as patch:
        if sys.platform == "linux":
            patch.setattr(_posixsubprocess, "fork_exec", _starter)
            patch.setattr(subprocess, "_fork_exec", _starter)
        yield _starter


@pytest.fixture(scope="module", autouse=True)
def _warm(request: pytest.FixtureRequest) -> None:
    if str(request.path.relative_to(Path(__file__).parent)).startswith(WARM):
        request.getfixturevalue("warm_starts")


@pytest.fixture
def suite_file(tmp_path: Path) -> Callable[..., Path]:
    """Write a suite: the small one on digits, with pieces of its text replaced."""

    def write(*replacements: tuple[str, str]) -> Path:
        text = SUITE
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "suite.yaml"
        path.write_text(text)
        return path

    return write


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """No socket can be opened."""

    def refused(*arguments: Any, **named: Any) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refused)
    monkeypatch.setattr(socket, "create_connection", refused)
