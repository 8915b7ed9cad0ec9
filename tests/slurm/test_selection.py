"""A selection as jobs of a real scheduler, with all that can happen to them on the way."""

import subprocess

import pytest
from typer.testing import CliRunner

from labelbench_plus.cli import app
from tests.slurm.test_cluster import slurm, until

pytestmark = pytest.mark.usefixtures("cluster")
PLUGIN = '''
import os, signal, time
from dataclasses import dataclass
from pathlib import Path
from labelbench_plus.pairs.strategy import PairStrategy
from labelbench_plus.strategies import strategies

@strategies.register("doomed")
@dataclass(frozen=True)
class Doomed(PairStrategy):
    """Random scores. Notes each shard it scores, and lets happen to it, once, what a file there says."""
    folder: str
    def score(self, shard, state):
        folder, name = Path(self.folder), shard.shard.name
        with open(folder / "log", "a") as log:
            log.write(name + "\\n")
        def told(what):
            try:
                (folder / f"{what} {name}").unlink()
            except FileNotFoundError:
                return False
            return True
        if told("preempt"):
            os.kill(os.getppid(), signal.SIGUSR2)
            time.sleep(600)
        if told("kill job"):
            os.kill(os.getppid(), signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)
        if told("kill worker"):
            os.kill(os.getpid(), signal.SIGKILL)
        return shard.rng(0).random(shard.rows)
'''
SELECTION = """\
pool: {{name: generated_pairs, rows: 900, shards: 3, width: 32, target_rows: 100}}
strategy: {{name: two_stage, first: {{name: doomed, folder: {folder}}}, second: norm_sim, fraction: 0.5}}
fraction: 0.2
"""


def test_check_9_jobs_that_die_cost_a_shard_each_and_no_bit(tmp_path):
    selection, plugin = tmp_path / "selection.yaml", tmp_path / "doomed.py"
    plugin.write_text(PLUGIN)
    selection.write_text(SELECTION.format(folder=tmp_path))

    def select(out, *how):
        arguments = ["pairs", "select", selection, "--out", tmp_path / out, "--plugin", plugin, *how]
        done = CliRunner().invoke(app, list(map(str, arguments)))
        assert done.exit_code == 0, done.output
        (folder,) = (tmp_path / out).iterdir()
        return folder, done.output

    def submit():
        settings = ("time=30m", "warning=60s", "pack.runs_per_job=2", "pack.concurrent=1")
        folder, said = select("cluster", "-l", "slurm", *(part for each in settings for part in ("--set", each)))
        until(lambda: not slurm("squeue", "-h", "--name", f"lbp-pairs-{folder.name}").strip(), "the jobs to end")
        return folder, said

    # Two jobs score three shards. The first is told to end in its second shard; the other one is killed.
    (tmp_path / "preempt part-00001").touch()
    (tmp_path / "kill job part-00002").touch()
    folder, said = submit()
    log = (tmp_path / "log").read_text().split()
    assert said.startswith("5 jobs")
    assert sorted(log) == ["part-00000", "part-00001", "part-00001", "part-00002"]
    assert not (folder / "kept.npy").exists()  # what had to wait for the killed one is gone from the queue
    scored = {path: path.stat().st_mtime_ns for path in folder.rglob("*.parquet")}
    assert [path.stem for path in sorted(scored)] == ["part-00000", "part-00001"]

    # The same command goes on; this time a worker is killed, and its job starts another.
    (tmp_path / "kill worker part-00002").touch()
    again, said = submit()
    assert again == folder
    assert said.startswith("4 jobs")
    assert (tmp_path / "log").read_text().split()[len(log) :] == ["part-00002", "part-00002"]
    assert all(path.stat().st_mtime_ns == before for path, before in scored.items())
    assert "nothing is left to do" in submit()[1]

    here, said = select("here", "--jobs", "1")
    assert "180 of 900 pairs" in said.replace("\n", " ")
    for file in ("kept.npy", "stage-0/cut.json", "stage-1/cut.json"):
        assert (folder / file).read_bytes() == (here / file).read_bytes(), file
    restarts = subprocess.run(["scontrol", "show", "job", "-o"], capture_output=True, text=True, check=True).stdout
    assert any(f"lbp-pairs-{folder.name} " in line and "Restarts=1" in line for line in restarts.splitlines())
