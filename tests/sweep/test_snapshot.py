import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import labelbench_plus
from labelbench_plus.store.manifest import code_identity
from labelbench_plus.sweep.folder import Sweep
from labelbench_plus.sweep.snapshot import Snapshot, SnapshotError

SLURM = ("-l", "slurm", "--set", "time=1h")


def test_jobs_get_the_code_of_the_submission(bench, shim, monkeypatch, tmp_path):
    notes = shim()
    monkeypatch.delenv("PYTHONPATH", raising=False)
    suite = bench.suite("frozen", "random", seeds="[0]")
    plan = json.loads(bench.submit(suite, *SLURM, "--snapshot", "--dry-run", "--json").stdout)
    assert not bench.out.exists()
    assert bench.submit(suite, *SLURM, "--snapshot").returncode == 0
    script = (notes / "jobs" / "1").read_text()
    assert script == plan["script"]
    (code,) = (Sweep(bench.out, "frozen").folder / "code").iterdir()
    assert f"env PYTHONPATH={code.absolute()}" in script
    identity = json.loads((code / "labelbench_plus" / "snapshot.json").read_bytes())
    assert identity["commit"] == code_identity()["commit"]
    plugin = code / "plugins" / "0" / "plugins_under_test.py"
    assert plugin.read_bytes() == Path(__file__).with_name("plugins_under_test.py").read_bytes()
    # what its job runs, from a directory that has another labelbench_plus in it
    (tmp_path / "labelbench_plus").mkdir()
    (tmp_path / "labelbench_plus" / "__init__.py").write_text("raise ImportError")
    batch = next((Sweep(bench.out, "frozen").folder / "batches").iterdir())
    command = ["env", f"PYTHONPATH={code.absolute()}", sys.executable, "-P", "-m", "labelbench_plus.sweep.task", batch]
    environment = {**os.environ, "LBP_CACHE": os.environ["LBP_CACHE"]}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + done.stdout
    assert next(bench.out.glob("runs/*/result.json"))
    manifest = json.loads(next(bench.out.glob("runs/*/manifest.json")).read_bytes())
    assert manifest["code"] == identity
    assert bench.lbp("prune", "frozen").returncode == 0
    assert not code.exists()


def test_the_same_code_is_copied_once(tmp_path):
    plugin = tmp_path / "mine.py"
    plugin.write_text("a = 1")
    first = Snapshot(tmp_path, [plugin])
    first.write()
    before = sorted(first.path.rglob("*"))
    Snapshot(tmp_path, [plugin]).write()
    assert len(list((tmp_path / "code").iterdir())) == 1
    assert sorted(first.path.rglob("*")) == before
    plugin.write_text("a = 2")
    assert Snapshot(tmp_path, [plugin]).path != first.path


def test_an_installed_copy_has_no_snapshot(tmp_path, monkeypatch):
    (tmp_path / "labelbench_plus").mkdir()
    shutil.copy(labelbench_plus.__file__, tmp_path / "labelbench_plus" / "__init__.py")
    monkeypatch.setattr(labelbench_plus, "__file__", str(tmp_path / "labelbench_plus" / "__init__.py"))
    with pytest.raises(SnapshotError, match="is not a git checkout"):
        Snapshot(tmp_path, [])
    with pytest.raises(SnapshotError, match=r"mine\.py cannot be copied: No such file"):
        monkeypatch.undo()
        Snapshot(tmp_path, [tmp_path / "mine.py"])


def test_an_edited_plugin_is_refused_with_a_copy_too_and_the_help_says_so(bench, shim, tmp_path):
    """The copy keeps queued jobs as they were; what is handed over again would be another method of the same name."""
    shim()
    plugin = tmp_path / "edited_later.py"
    source = Path(__file__).with_name("plugins_under_test.py").read_text().replace('register("', 'register("edited_')
    plugin.write_text(source)
    suite = bench.suite("edited", "edited_slow", seeds="[0]")
    suite.write_text(suite.read_text().replace("[centroids]", "[edited_centroids]"))
    assert bench.lbp("submit", suite, "--plugin", plugin, *SLURM, "--snapshot").returncode == 0
    plugin.write_text(source + "\n# better\n")
    refused = bench.lbp("resume", "edited")
    assert refused.returncode == 2 and "changed since sweep 'edited' was submitted: plugin edited_later.py" in (
        " ".join(refused.stderr.split())
    )
    assert bench.lbp("resume", "edited", "--allow-code-drift", "--dry-run").returncode == 0
    said = " ".join(bench.lbp("resume", "--help").stdout.replace("│", " ").split())
    assert "whose content changed since the sweep began is rejected" in said
