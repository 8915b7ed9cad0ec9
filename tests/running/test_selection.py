"""A selection by worker processes of this machine: one that dies costs the shard it was at."""

import pytest

from labelbench_plus.pairs.tasks import SelectionTask
from labelbench_plus.pairs.workspace import Workspace, plan
from labelbench_plus.plugins import load_plugin_file
from labelbench_plus.running.selection import WorkerError, crew_of, do_tasks, select_here
from tests.pairs.test_workspace import in_process, written

PLUGIN = '''
import os, signal
from dataclasses import dataclass
from pathlib import Path
from labelbench_plus.pairs.strategy import PairStrategy
from labelbench_plus.strategies import strategies

@strategies.register("fragile")
@dataclass(frozen=True)
class Fragile(PairStrategy):
    """Notes each shard it scores; dies at one of them as often as it is told to."""
    folder: str
    deaths: int
    def score(self, shard, state):
        with open(Path(self.folder) / "log", "a") as log:
            log.write(shard.shard.name + "\\n")
        if shard.shard.name == "part-00002" and (Path(self.folder) / "log").read_text().count("00002") <= self.deaths:
            os.kill(os.getpid(), signal.SIGKILL)
        return shard.rng(0).random(shard.rows)
'''


def test_check_9_a_killed_worker_costs_one_shard(tmp_path, monkeypatch):
    plugin = tmp_path / "fragile.py"
    plugin.write_text(PLUGIN)
    load_plugin_file(plugin)
    text = f"""\
pool: {{name: generated_pairs, rows: 400, width: 32}}
strategy: {{name: fragile, folder: {tmp_path}, deaths: 2}}
count: 100
"""
    workspace = Workspace(plan(written(tmp_path, text), tmp_path / "out", [plugin]))
    monkeypatch.setattr("labelbench_plus.running.selection.TRIES", 2)
    with pytest.raises(WorkerError, match="score stage 0 unit 2: its worker died 2 times: killed by SIGKILL"):
        select_here(workspace, 1, chunk=64)
    select_here(workspace, 1, chunk=64)
    log = (tmp_path / "log").read_text().split()
    assert sorted(log) == ["part-00000", "part-00001", *["part-00002"] * 3, "part-00003"]
    undisturbed = Workspace(plan(written(tmp_path, text.replace("deaths: 2", "deaths: 0")), tmp_path))
    in_process(undisturbed)
    assert workspace.kept.read_bytes() == undisturbed.kept.read_bytes()
    assert not list(workspace.folder.rglob(".tmp-*"))


def test_what_a_task_raises_is_told(tmp_path):
    folder = plan(written(tmp_path), tmp_path)
    prepare, cut = SelectionTask("prepare"), SelectionTask("cut")
    with crew_of(folder, 1, 64, "cpu") as crew:
        assert list(do_tasks(crew, [prepare])) == [prepare]
        with pytest.raises(WorkerError, match=r"cut stage 0: FileNotFoundError: .*parquet"):
            list(do_tasks(crew, [cut]))
