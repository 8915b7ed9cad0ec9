import os
import signal

import pytest

from labelbench_plus.running.job import Job, Where, carry_out
from labelbench_plus.source_tasks.oracle import SourceOracle
from labelbench_plus.suite import load_suite
from labelbench_plus.trainers.source_tasks.joint_linear import JointLinear

SUITE = """\
suite: small
problems: [{name: synthetic_sources, heads: generic, dimension: 6, rank: 2, sources: 8}]
trainers: [joint_linear]
strategies: [l1_relevance]
initial: uniform_sources
baseline: l1_relevance
budget: {first: 100, batch: 70, rounds: 3}
seeds: [0]
"""


def files(root) -> dict[str, bytes]:
    (folder,) = (root / "runs").iterdir()
    return {path.name: path.read_bytes() for path in [*sorted(folder.glob("rounds/*")), folder / "result.json"]}


@pytest.mark.parametrize("owner", [SourceOracle, JointLinear], ids=["while buying", "while training"])
@pytest.mark.parametrize("call", [0, 1, 2])
def test_a_run_killed_and_resumed_gives_the_same_bytes(tmp_path, owner, call):
    (tmp_path / "suite.yaml").write_text(SUITE)
    (spec,) = load_suite(tmp_path / "suite.yaml").runs()

    def carry(name: str) -> None:
        root = tmp_path / name
        carry_out(Job.of(spec, Where(root, tmp_path)), lambda rounds: None)

    pid = os.fork()
    if pid == 0:
        method, calls = "answer" if owner is SourceOracle else "fit", iter(range(99))
        original = getattr(owner, method)

        def doomed(*arguments, **keywords):
            if next(calls) == call:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*arguments, **keywords)

        try:
            setattr(owner, method, doomed)
            carry("killed")
        finally:
            os._exit(1)  # whatever happened: a second test runner must not go on from here
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    carry("killed")
    carry("whole")
    assert files(tmp_path / "killed") == files(tmp_path / "whole")
