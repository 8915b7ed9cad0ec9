"""How tests are shared out where several processes test (`make test`): which go together, and which begin first.

A file's tests go to one process, so that what they share is made once. Those on a real SLURM are all in one, as they
share a cluster. A file of `APART` shares nothing dear, and takes so long that its tests go where there is room.

xdist's own groups (`--dist loadgroup`) do nothing under pytest 9.2, and say nothing: they are written into a field of
the tests' names that is no longer read.
"""

from __future__ import annotations

from typing import Any

from xdist.scheduler import LoadFileScheduling

SLURM = "tests/slurm/"
# Longest first, since whatever begins last ends last, and others then wait for it.
LONG: tuple[str, ...] = (
    "docs/test_docs.py",
    "testing/test_built_in.py",
    "store/test_crash.py",
    "test_cli.py",
    "strategies/test_determinism.py",
    "leaderboard/test_site_in_browser.py",
    "submission/test_forged.py",
    "submission/test_executes_nothing.py",
    "submission/test_bounds.py",
    "isolation/test_strangers.py",
    "running/test_local.py",
    "sweep/test_task.py",
    "testing/test_bad_strategies.py",
    "trainers/language/test_generator_sizes.py",
    "store/test_crowd.py",
    "submission/test_published_results.py",
    "trainers/language/test_nomad.py",
    "test_torchvision_compat.py",
    "answering/test_runs.py",
    "problems/test_objectives.py",
    "scaffold/test_new.py",
    "algorithms/test_lcmd.py",
)
APART = {"docs/test_docs.py", "store/test_crash.py", "testing/test_built_in.py"}


class Shares(LoadFileScheduling):
    """A scheduler for xdist, which keeps to the order of `place`."""

    def __init__(self, config: Any, log: Any = None) -> None:
        super().__init__(config, log)
        # Or xdist begins with the files that have the most tests, and ends with a long test that is alone.
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        return share(nodeid)


def share(nodeid: str) -> str:
    """A name for the tests that go to one process together."""
    file = nodeid.partition("::")[0]
    if file.startswith(SLURM):
        return SLURM
    return nodeid if file.removeprefix("tests/") in APART else file


def place(nodeid: str) -> int:
    """Where among all tests one begins: those on a real SLURM mostly wait, and others can run beside them."""
    file = nodeid.partition("::")[0].removeprefix("tests/")
    if nodeid.startswith(SLURM):
        return -1
    return LONG.index(file) if file in LONG else len(LONG)
