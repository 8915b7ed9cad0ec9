"""A small sweep, the command line to drive it, and what an undisturbed run of it leaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from labelbench_plus.cli import app
from labelbench_plus.plugins import load_plugin_file
from labelbench_plus.running.job import Job, Where, carry_out
from labelbench_plus.store.lease import acquire
from labelbench_plus.suite import load_suite

PLUGINS = Path(__file__).with_name("plugins_under_test.py")
SUITE = """\
suite: {name}
problems:
  - {{name: classification, dataset: digits, encoder: pixels}}
trainers: [centroids]
strategies: [{strategies}]
initial: {initial}
budget: {{first: 20, batch: 10, rounds: {rounds}}}
seeds: {seeds}
"""
LBP = [sys.executable, "-c", "from labelbench_plus.cli import main; main()"]


@dataclass(frozen=True)
class Done:
    """How a command ended and what it said."""

    returncode: int
    stdout: str
    stderr: str


@dataclass
class Bench:
    """A folder to sweep in."""

    folder: Path

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def suite(
        self,
        name: str,
        strategies: str = "random, margin",
        rounds: int = 3,
        seeds: str = "0..1",
        initial: str = "random",
    ) -> Path:
        path = self.folder / f"{name}.yaml"
        text = SUITE.format(name=name, strategies=strategies, rounds=rounds, seeds=seeds, initial=initial)
        path.write_text(text)
        return path

    def command(self, *arguments: object) -> list[str]:
        return ["sweep", *map(str, arguments), "--out", str(self.out)]

    def lbp(self, *arguments: object, env: dict[str, str] | None = None) -> Done:
        """The command line, in this process: an interpreter of its own for each command would take seconds."""
        result = CliRunner().invoke(app, self.command(*arguments), env=env)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Done(result.exit_code, result.stdout, result.stderr)

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        """The command line, in a process of its own."""
        command = [*LBP, *self.command(*arguments)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def submit(self, suite: Path, *arguments: object, env: dict[str, str] | None = None) -> Done:
        return self.lbp("submit", suite, "--plugin", PLUGINS, "--allow-code-drift", *arguments, env=env)

    def fail(self, run: str, why: str, line: int = 7, **about: Any) -> None:
        """Leave what a run leaves that failed."""
        folder = self.out / "runs" / run / "attempts"
        folder.mkdir(parents=True, exist_ok=True)
        failure = {"type": why.partition(":")[0], "where": f"some.py:{line}", "kind": "code"}
        acquire(folder, **about).release("failed", why, failure=failure)

    def status(self, name: str) -> dict[str, Any]:
        done = self.lbp("status", name, "--json", "--fresh")
        assert done.returncode in (0, 1), done.stderr
        return json.loads(done.stdout)

    def files(self, out: Path | None = None) -> dict[str, bytes]:
        """The files that must not vary, by name."""
        root = out or self.out
        kept = [*root.glob("runs/*/rounds/*"), *root.glob("runs/*/result.json"), *root.glob("runs/*/config.json")]
        return {str(path.relative_to(root)): path.read_bytes() for path in kept}

    def undisturbed(self, suite: Path) -> dict[str, bytes]:
        """What the runs of a suite leave when nothing happens to them, computed in this process."""
        load_plugin_file(PLUGINS)
        torch.set_num_threads(1)
        root = self.folder / f"undisturbed-{suite.stem}"
        cache = Path(os.environ["LBP_CACHE"])
        for spec in load_suite(suite).runs():
            if spec.strategy.name not in ("raises", "stuck"):
                job = Job.of(spec, Where(root, cache, plugin_files=(PLUGINS,)))
                carry_out(job, lambda rounds: None)
        return self.files(root)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    load_plugin_file(PLUGINS)
    return Bench(tmp_path)


@pytest.fixture
def shim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Put pretended SLURM commands on the PATH. Returns the folder they keep their notes in."""

    def install(array: int = 11, refuse_after: int = 1000) -> Path:
        folder = tmp_path / "shim"
        folder.mkdir()
        scripts = {
            "sbatch": f"""
                n=$(ls {folder}/jobs | wc -l)
                if [ "$n" -ge {refuse_after} ]; then
                    echo "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy" >&2; exit 1
                fi
                n=$((n + 1)); env > {folder}/env; cp "$1" {folder}/jobs/$n
                echo "Submitted batch job $n"
            """,
            "squeue": f"""
                [ -e {folder}/down ] && exit 1
                for f in $(ls {folder}/jobs); do
                    [ -e {folder}/forgotten ] && continue
                    comment=$(sed -n 's/^#SBATCH --comment=//p' {folder}/jobs/$f)
                    last=$(sed -n 's/^#SBATCH --array=0-\\([0-9]*\\)%.*/\\1/p' {folder}/jobs/$f)
                    state=$(cat {folder}/state 2>/dev/null || echo PENDING)
                    node=$(cat {folder}/node 2>/dev/null)
                    for i in $(seq 0 $last); do echo "$f|$i|$state|N/A|$node|$comment|None"; done
                done
            """,
            "scontrol": f"""
                echo "MaxArraySize            = {array}"
            """,
            "sacct": f"""
                cat {folder}/accounting
            """,
            "sacctmgr": """
                exit 1
            """,
            "scancel": f"""
                echo "$@" >> {folder}/cancelled
            """,
        }
        (folder / "jobs").mkdir()
        (folder / "bin").mkdir()
        for name, text in scripts.items():
            path = folder / "bin" / name
            path.write_text("#!/bin/bash\n" + text)
            path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder / 'bin'}:/usr/bin:/bin")
        return folder

    return install
