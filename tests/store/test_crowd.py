"""Fifty processes that want four runs, and a run that is killed at each of its system calls."""

import json
import shutil
import subprocess
import sys

import pytest

SUITE = """\
suite: told
problems: [{name: telling, says: details}]
trainers: [share]
strategies: [random]
budget: {first: 10, batch: 5, rounds: 2}
seeds: 0..3
"""


@pytest.fixture
def report(tmp_path):
    def made(mode):
        suite = tmp_path / "told.yaml"
        suite.write_text(SUITE)
        command = [sys.executable, "-m", "tests.store.crowd", mode, str(suite), str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        if "skip" in found:
            pytest.skip(found["skip"])
        return found

    return made


traces = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")


def test_of_fifty_that_want_four_runs_each_run_is_made_once_and_nobody_fails(report):
    found = report("together")
    assert set(found["outcomes"]) <= {"finished", "busy", "already done"}, found["outcomes"]
    assert found["outcomes"]["finished"] + found["outcomes"]["already done"] == 50 * 4
    assert set(found["statuses"]) == {0}
    # Who looked before a run was done, and got it after, finds nothing left to do.
    assert {end for ends in found["attempts"] for end in ends} == {"finished"}
    assert sum(map(len, found["attempts"])) == found["outcomes"]["finished"] < 20
    assert found["made_by"] == [1] * 4  # attempts whose rounds they are
    assert found["differing"] == found["left"] == []


@traces
def test_killed_at_any_system_call_it_ends_with_the_same_bytes(report):
    found = report("killed")
    assert found["differing"] == {}
    assert sum(found["kills"].values()) > 60, found["kills"]
    assert {"fsync", "write"} < set(found["kills"]), found["kills"]


@traces
def test_where_the_kernel_refuses_links_the_run_is_made_all_the_same(report):
    found = report("refused")
    assert found["without"] == 0 and found["same"]
    assert found["neither"] != 0  # refused: tests/store/test_faults.py says with which words
