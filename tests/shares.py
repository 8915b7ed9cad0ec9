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
# By the seconds that they compute, 130 to 5, since whatever begins last ends last, and others then wait for it.
LONG: tuple[str, ...] = (
    "docs/test_carried_out.py",
    "testing/test_built_in.py",
    "store/test_crash.py",
    "submission/test_published_results.py",
    "sweep/test_task.py",
    "store/test_published_archives.py",
    "leaderboard/test_site_in_browser.py",
    "test_cli.py",
    "submission/test_executes_nothing.py",
    "submission/test_bounds.py",
    "leaderboard/test_of_suite.py",
    "running/test_local.py",
    "submission/test_forged.py",
    "trainers/language/test_generator_sizes.py",
    "trainers/language/test_nomad.py",
    "testing/test_bad_strategies.py",
    "isolation/test_confinement.py",
    "strategies/test_determinism.py",
    "isolation/test_strangers.py",
    "test_torchvision_compat.py",
    "test_packaging.py",
    "scaffold/test_new.py",
    "test_loop.py",
    "leaderboard/test_pictures.py",
    "test_warm_up.py",
    "docs/test_docs.py",
    "sweep/test_submit.py",
    "algorithms/test_lcmd.py",
    "store/test_crowd.py",
    "problems/test_objectives.py",
    "algorithms/test_greedy_design.py",
    "leaderboard/test_coverage.py",
    "answering/test_runs.py",
    "trainers/test_semi_supervised.py",
    "test_starter.py",
    "architecture/test_start_up.py",
    "decoding/test_fused.py",
    "algorithms/test_design_rounding.py",
    "algorithms/test_relaxed_design.py",
    "strategies/test_all_strategies.py",
)
APART = {"store/test_crash.py", "testing/test_built_in.py"}


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
