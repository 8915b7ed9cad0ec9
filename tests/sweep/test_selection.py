"""A selection as jobs of a scheduler."""

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from labelbench_plus.commands.pairs import pairs
from labelbench_plus.contracts.launchers import Limits
from labelbench_plus.launchers.slurm import Slurm
from labelbench_plus.pairs.tasks import SelectionTask
from labelbench_plus.pairs.uids import read_uids
from labelbench_plus.pairs.workspace import Workspace, plan
from labelbench_plus.sweep.folder import read_batch
from labelbench_plus.sweep.scheduled import Notice
from labelbench_plus.sweep.selection import do_job, job_groups, submit_selection
from labelbench_plus.sweep.task import main
from tests.pairs.test_workspace import written


def test_as_jobs_of_slurm(tmp_path, monkeypatch):
    submitted = []

    def note(self, batch, parallel):
        submitted.append((self.options.get("dependency"), batch))
        return f"{100 + len(submitted)}"

    monkeypatch.setattr(Slurm, "submit", note)
    monkeypatch.setattr(Slurm, "limits", lambda self: Limits(1000))
    launcher = Slurm(time="1h", pack={"runs_per_job": 2, "concurrent": 2})
    workspace = Workspace(plan(written(tmp_path), tmp_path))
    assert [len(group) for group in job_groups(workspace)] == [1, 4, 2, 4, 2]
    jobs = submit_selection(workspace, launcher, 512)
    assert jobs == ["101", "102", "103", "104", "105"]
    assert [each[0] for each in submitted] == [None, *(f"afterok:{job}" for job in jobs[:-1])]
    assert [each[1].tasks for each in submitted] == [1, 2, 1, 2, 1]
    assert "labelbench_plus.sweep.task" in launcher.script(submitted[1][1], None)
    for _, batch in submitted:
        for number in range(batch.tasks):
            settings, tasks = read_batch(batch.path, number)
            for task in tasks:
                Workspace(Path(settings["selection"])).carry_out(SelectionTask(*task))
    assert len(read_uids(workspace.kept)) == 300
    assert submit_selection(workspace, launcher, 512) == []


def test_a_job_does_the_tasks_of_its_line(tmp_path, monkeypatch):
    monkeypatch.setattr("labelbench_plus.sweep.selection.listen_to_scheduler", lambda on_warning, on_term: None)
    folder = plan(written(tmp_path), tmp_path)
    settings = {"selection": str(folder), "workers": 1, "chunk": 64, "device": "cpu", "time_limit": 60, "notice": 1}
    batch = tmp_path / "batch.jsonl"
    batch.write_text("\n".join(map(json.dumps, [settings, [["cut", 0, 0]], [["prepare", 0, 0]]])))
    for number, status in ((1, 0), (0, 1)):  # nothing is scored yet that could be cut
        monkeypatch.setattr(sys, "argv", ["task", str(batch), "--task", str(number)])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == status
    assert Workspace(folder).done(SelectionTask("prepare"))


def test_a_launcher_whose_jobs_cannot_wait_for_each_other_takes_no_selection(tmp_path):
    written(tmp_path)
    done = CliRunner().invoke(
        pairs, ["select", str(tmp_path / "selection.yaml"), "--out", str(tmp_path / "out"), "-l", "local"]
    )
    assert done.exit_code == 2
    assert "--launcher local: its jobs cannot wait for each other" in done.output


def test_a_job_too_short_for_a_single_task_does_not_go_back_into_the_queue(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("labelbench_plus.sweep.selection.listen_to_scheduler", lambda on_warning, on_term: None)

    def told(crew, tasks):
        raise Notice("told to end")

    monkeypatch.setattr("labelbench_plus.sweep.selection.do_tasks", told)
    settings = {"selection": str(tmp_path), "workers": 1, "chunk": 1, "device": "cpu"}
    assert do_job({**settings, "time_limit": 60, "notice": 60}, [["score", 0, 0]]) == 1
    assert "raise the launcher's `time`" in capsys.readouterr().err
