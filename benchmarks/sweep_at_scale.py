"""How long submit, status and collect take on many runs, with pretended SLURM commands, and what the disk sees of them.

    python -m benchmarks.sweep_at_scale [RUNS]

One run of each strategy is really computed. The others get its rounds under their own id, through the same store, so
that every file is there that a run leaves, in its real size; only computing is pretended. A tenth is left half-way.

Prints seconds; files and bytes a run; and, where `strace` is installed, the file operations of one run in a job and of
one `status` (each a request to the server, if the output directory is on one and nothing is cached).
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelbench_plus.cli import app
from labelbench_plus.running.job import Job, Where, carry_out
from labelbench_plus.spec import RunSpec
from labelbench_plus.store.run_store import RoundRecord, RunStore
from labelbench_plus.suite import load_suite

ROUNDS = 5
UNFINISHED = 0.1
SUITE = """\
suite: many
problems: [{{name: classification, dataset: digits, encoder: pixels}}]
trainers: [logistic_regression]
strategies: [random, margin]
budget: {{first: 20, batch: 10, rounds: {rounds}}}
seeds: 0..{last}
"""
SHIM = {
    "sbatch": 'n=$(($(cat N) + 1)); echo $n > N; cp "$1" jobs/$n; echo "Submitted batch job $n"',
    "scontrol": 'echo "MaxArraySize = 1001"',
    "squeue": "cat listing",
    "scancel": "true",
    "sacct": "exit 1",
    "sacctmgr": "exit 1",
}
LBP = [sys.executable, "-c", "from labelbench_plus.cli import main; main()"]
TRACED = (
    "open,openat,creat,stat,lstat,newfstatat,statx,getdents64,link,linkat,unlink,unlinkat,rename,renameat,renameat2,"
)
TRACED += "mkdir,mkdirat,rmdir,utimensat,fsync,access,faccessat,faccessat2,readlink,readlinkat"


def main(runs: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pretend_slurm(folder)
        suite = folder / "many.yaml"
        suite.write_text(SUITE.format(rounds=ROUNDS, last=runs // 2 - 1))
        out = folder / "out"
        print(f"{runs} runs of {ROUNDS} rounds")
        submit = ("submit", suite, "-l", "slurm", "--set", "time=1h", "--yes", "--allow-code-drift", "--out", out)
        timed("submit", *submit)
        timed("submit again, nothing new", *submit)
        list_all(folder, out, "PENDING")
        timed("status, all waiting", "status", "many", "--out", out, "--fresh")
        specs = load_suite(suite).runs()
        finished = round((1 - UNFINISHED) * len(specs))
        compute(specs, finished, out, folder)
        timed("status, files never seen before", "status", "many", "--out", out, "--fresh")
        time.sleep(2.5)  # so that no file counts as just written
        timed("status, a tenth unfinished", "status", "many", "--out", out, "--fresh")
        timed("status, a tenth unfinished, again", "status", "many", "--out", out, "--fresh")
        trace("status, a tenth unfinished", out, [*LBP, "sweep", "status", "many", "--out", str(out), "--fresh"])
        timed("collect, with unfinished", "collect", "many", "--partial", "--to", folder / "all.parquet", "--out", out)
        compute(specs[finished:], len(specs) - finished, out, folder)
        timed("status, the last tenth new", "status", "many", "--out", out, "--fresh")
        timed("status, all finished", "status", "many", "--out", out)
        trace("status, all finished", out, [*LBP, "sweep", "status", "many", "--out", str(out)])
        timed("collect, all finished", "collect", "many", "--strict", "--to", folder / "all.parquet", "--out", out)
        weigh(out, runs)
        trace_a_job(out, folder)


def pretend_slurm(folder: Path) -> None:
    """Put commands on the PATH that answer as SLURM's would, and note what they are handed."""
    (folder / "bin").mkdir()
    (folder / "jobs").mkdir()
    (folder / "N").write_text("0")
    (folder / "listing").write_text("")
    for tool, text in SHIM.items():
        path = folder / "bin" / tool
        path.write_text(f"#!/bin/bash\ncd {folder}\n{text}\n")
        path.chmod(0o755)
    os.environ["PATH"] = f"{folder / 'bin'}:{os.environ['PATH']}"


def list_all(folder: Path, out: Path, state: str) -> None:
    """Let the pretended squeue list every task."""
    lines, tasks, batch = list[str](), list[Any](), ""
    for event in map(json.loads, (out / "sweeps/many/submissions.jsonl").read_text().splitlines()):
        if event["event"] == "intent":
            tasks, batch = event["tasks"], event["batch"]
        else:
            lines += [f"{event['job']}|{n}|{state}|N/A||{batch}|Priority" for n in range(len(tasks))]
    (folder / "listing").write_text("\n".join(lines) + "\n")


def compute(specs: list[RunSpec], finished: int, out: Path, folder: Path) -> None:
    """Really compute one run of each strategy elsewhere; write the others with its rounds, the first so many whole."""
    real: dict[str, Real] = {}
    start = time.perf_counter()
    with nothing_is_synced():
        for number, spec in enumerate(specs):
            if spec.strategy.name not in real:
                real[spec.strategy.name] = Real.of(spec, folder)
            write_as(spec, real[spec.strategy.name], out, whole=number < finished)
    print(f"  (computing, of which all but {len(real)} runs pretended, took {time.perf_counter() - start:.1f} s)")


@dataclass(frozen=True)
class Real:
    """What a run that was really computed left."""

    manifest: dict[str, Any]
    rounds: list[RoundRecord]
    costs: list[dict[str, float | None]]

    @classmethod
    def of(cls, spec: RunSpec, folder: Path) -> Real:
        root = folder / "real"
        job = Job.of(spec, Where(root, folder / "cache"))
        carry_out(job, lambda rounds: None)
        store = RunStore(root, spec.id)
        costs = [{name: value for name, value in each.items() if name != "attempt"} for each in store.costs()]
        return cls(json.loads((store.folder / "manifest.json").read_bytes()), store.rounds(), costs)


def write_as(spec: RunSpec, real: Real, out: Path, *, whole: bool) -> None:
    """Write a run with another one's rounds."""
    store = RunStore(out, spec.id)
    lease = store.open(spec, {**real.manifest, "run": spec.id}, sweep="many", launcher="slurm", node="n1")
    there = len(store.rounds())
    for record, costs in list(zip(real.rounds, real.costs, strict=True))[there : None if whole else 2]:
        store.commit(record, costs, lease)
    (store.folder / "attempts" / f"{lease.number:04d}.log").write_text("a line\n")
    if whole:
        store.finish(spec)
    lease.release("finished" if whole else "stopped")


@contextlib.contextmanager
def nothing_is_synced() -> Iterator[None]:
    sync, os.fsync = os.fsync, lambda fd: None
    try:
        yield
    finally:
        os.fsync = sync


def weigh(out: Path, runs: int) -> None:
    files = [path for path in (out / "runs").rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    print(f"{len(files) / runs:.1f} files and {size / runs / 1024:.1f} KiB a run")
    files = [path for path in (out / "sweeps").rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    print(f"{len(files)} files and {size / 1e6:.1f} MB of the sweep itself, {size / runs / 1024:.1f} KiB a run")


def trace_a_job(out: Path, folder: Path) -> None:
    """Count the file operations of a job with one run, and of one with two: the difference is a run's."""
    batch = next((out / "sweeps/many/batches").iterdir())
    settings, *lines = batch.read_text().splitlines()
    root = folder / "traced"
    (root / "sweeps/many/batches").mkdir(parents=True)
    settings = json.dumps({**json.loads(settings), "root": str(root)})
    counts = []
    for number in (1, 2):
        path = root / "sweeps/many/batches" / f"b000{number}.jsonl"
        tasks = [run for line in lines[number : 2 * number] for run in json.loads(line)]
        path.write_text(f"{settings}\n{json.dumps(tasks)}\n")
        counts.append(
            trace(
                f"a job with {number}",
                root,
                [sys.executable, "-m", "labelbench_plus.sweep.task", str(path), "--task", "0"],
            )
        )
    if counts[0]:
        difference = {name: counts[1].get(name, 0) - number for name, number in counts[0].items()}
        told = ", ".join(
            f"{number} {name}" for name, number in sorted(difference.items(), key=lambda item: -item[1]) if number
        )
        print(f"file operations of one more run: {sum(difference.values())} ({told})")


def trace(what: str, below: Path, command: list[str]) -> dict[str, int]:
    """Count the file operations below a folder. Empty where there is no strace."""
    if not shutil.which("strace"):
        print(f"{what}: file operations not counted, as strace is not installed")
        return {}
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "trace"
        traced = [
            "strace",
            "-f",
            "-y",
            "-qq",
            "-e",
            f"trace={TRACED}",
            "-e",
            "signal=none",
            "-o",
            str(record),
            *command,
        ]
        subprocess.run(traced, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        counts: dict[str, int] = {}
        with open(record, errors="replace") as lines:
            for line in lines:
                match = re.match(r"\d+\s+(\w+)\(", line)
                if match and str(below) in line:
                    counts[match[1]] = counts.get(match[1], 0) + 1
    told = ", ".join(f"{number} {name}" for name, number in sorted(counts.items(), key=lambda item: -item[1]))
    print(f"file operations of {what}: {sum(counts.values())} ({told})", flush=True)
    return counts


def timed(what: str, *arguments: object) -> None:
    start, cpu = time.perf_counter(), time.process_time()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        app(["sweep", *map(str, arguments)], standalone_mode=False)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    print(f"{what:<36} {seconds:6.2f} s, {cpu:6.2f} s of it computing", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
