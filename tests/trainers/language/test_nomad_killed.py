"""A run whose process is killed while a generator is taught, writes, or its student is taught."""

from __future__ import annotations

import os
import signal

import pytest

from labelbench_plus.running.job import Job, Where, carry_out
from labelbench_plus.store.checkpoint import CheckpointFile
from labelbench_plus.suite import load_suite
from labelbench_plus.trainers._kept import Keeper

SUITE = """\
suite: small
problems:
  - name: instruction_tuning
    prompts: {name: skills, pool: 60, test: 1}
    base: {name: tiny_llama, width: 32, layers: 1, heads: 2, context: 128}
    template: {chat: plain}
    decoding: {max_new_tokens: 4}
    evaluations: [likelihood, synthesis]
trainers:
  - name: nomad
    generator_share: SHARE
    tune: full
    learning_rate: 0.01
    generator_steps: 20
    synthetic: 80
    prompt_tokens: 24
    answer_tokens: 6
    student_steps: 10
strategies: [random]
initial: null
budget: {first: 5, batch: 5, rounds: 2}
seeds: [0]
"""
# States that the first fit keeps before its first piece of writing: of each step, the last, none written.
WRITING = 20 + 2
SIZE = WRITING + 2 + 1  # and before the second of two sizes: two pieces more, and that the first is done


def carried(tmp_path, name, share):
    (tmp_path / "suite.yaml").write_text(SUITE.replace("SHARE", str(share)))
    (spec,) = load_suite(tmp_path / "suite.yaml").runs()
    carry_out(Job.of(spec, Where(tmp_path / name, tmp_path)), lambda rounds: None)
    (folder,) = (tmp_path / name / "runs").iterdir()
    return {path.name: path.read_bytes() for path in [*sorted(folder.glob("rounds/*")), folder / "result.json"]}


KILLS = {
    "teaching": (7, 1),
    "writing": (WRITING, 1),
    "student": (WRITING + 6, 1),
    "teaching the second of two": (SIZE + 9, [0.4, 1]),
    "the student of the better of two": (2 * SIZE + 4, [0.4, 1]),
}


@pytest.mark.slow  # twenty CPU seconds
@pytest.mark.parametrize(("times", "share"), KILLS.values(), ids=KILLS)
def test_it_goes_on_to_the_same_bytes(tmp_path, times, share):
    pid = os.fork()
    if pid == 0:
        asked = iter(range(10**6))
        keep = Keeper.keep

        def kept_and_killed(self, state):
            keep(self, state)
            if state.get("stage") and next(asked) == times:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            CheckpointFile.due = lambda self: True
            Keeper.keep = kept_and_killed
            carried(tmp_path, "killed", share)
        finally:
            os._exit(1)  # whatever happened: a second test runner must not go on from here
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    (folder,) = (tmp_path / "killed" / "runs").iterdir()
    assert any((folder / "checkpoints").iterdir()) and not any(folder.glob("rounds/*"))
    assert carried(tmp_path, "killed", share) == carried(tmp_path, "whole", share)
