"""How long submit, status and collect take on many runs, with pretended SLURM commands. Nothing is computed.

    python -m benchmarks.sweep_at_scale [RUNS]

Prints seconds, and files and bytes a run on disk.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from labelbench_plus.budget import Purchase
from labelbench_plus.cli import app
from labelbench_plus.store.lease import acquire
from labelbench_plus.store.run_store import RoundRecord, RunStore
from labelbench_plus.suite import load_suite

ROUNDS = 5
SUITE = """\
suite: many
problems: [{{name: classification, dataset: digits, encoder: pixels}}]
trainers: [mlp]
strategies: [random, margin]
budget: {{first: 20, batch: 10, rounds: {rounds}}}
seeds: 0..{last}
"""
SHIM = {
    "sbatch": 'n=$(($(cat N) + 1)); echo $n > N; cp "$1" jobs/$n; echo "Submitted batch job $n"',
    "scontrol": 'echo "MaxArraySize = 1001"',
    "squeue": "cat listing",
    "scancel": "true",
}


def main(runs: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "bin").mkdir()
        (folder / "jobs").mkdir()
        (folder / "N").write_text("0")
        (folder / "listing").write_text("")
        for tool, text in SHIM.items():
            path = folder / "bin" / tool
            path.write_text(f"#!/bin/bash\ncd {folder} 2>/dev/null\n{text}\n")
            path.chmod(0o755)
        os.environ["PATH"] = f"{folder / 'bin'}:{os.environ['PATH']}"
        suite = folder / "many.yaml"
        suite.write_text(SUITE.format(rounds=ROUNDS, last=runs // 2 - 1))
        out = folder / "out"
        print(f"{runs} runs of {ROUNDS} rounds")
        timed("submit", "submit", suite, "-l", "slurm", "--set", "time=1h", "--yes", "--allow-code-drift", "--out", out)
        lines = []
        for event in map(json.loads, (out / "sweeps/many/submissions.jsonl").read_text().splitlines()):
            if event["event"] == "intent":
                tasks, batch = event["tasks"], event["batch"]
            else:
                lines += [f"{event['job']}|{n}|PENDING|N/A||{batch}|Priority" for n in range(len(tasks))]
        (folder / "listing").write_text("\n".join(lines) + "\n")
        timed("status, all waiting", "status", "many", "--out", out, "--fresh")
        start = time.perf_counter()
        specs = load_suite(suite).runs()
        sync, os.fsync = os.fsync, lambda descriptor: None
        for number, spec in enumerate(specs):
            carry_out_pretended(out, spec, whole=number < 0.9 * len(specs))
        os.fsync = sync
        print(f"  (pretending to compute took {time.perf_counter() - start:.1f} s)")
        timed("status, files never seen before", "status", "many", "--out", out, "--fresh")
        time.sleep(2.5)
        timed("status, a tenth unfinished", "status", "many", "--out", out, "--fresh")
        timed("status, a tenth unfinished, again", "status", "many", "--out", out, "--fresh")
        timed("collect", "collect", "many", "--partial", "--to", folder / "all.parquet", "--out", out)
        files = [path for path in out.rglob("*") if path.is_file()]
        size = sum(path.stat().st_size for path in files)
        print(f"{len(files) / runs:.1f} files and {size / runs / 1024:.1f} KiB a run")


def carry_out_pretended(out: Path, spec: object, whole: bool) -> None:
    store = RunStore(out, spec.id)  # type: ignore[attr-defined]
    for part in ("rounds", "costs", "attempts"):
        (store.folder / part).mkdir(parents=True)
    lease = acquire(store.folder / "attempts")
    spent = 0.0
    for number in range(ROUNDS if whole else 2):
        items = np.arange(spent, spent + (20 if number == 0 else 10)).astype(np.int64)
        purchase = Purchase.from_json(
            {"items": items.tolist(), "answers": [0] * len(items), "prices": [1.0] * len(items)}
        )
        spent += len(items)
        record = RoundRecord(number, purchase, spent, {"accuracy": 0.5})
        store.commit(record, dict.fromkeys(("select_seconds", "train_seconds"), 0.1), lease)
    if whole:
        store.finish(spec)  # type: ignore[arg-type]
    lease.release("finished" if whole else "stopped")


def timed(what: str, *arguments: object) -> None:
    start, cpu = time.perf_counter(), time.process_time()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        app(["sweep", *map(str, arguments)], standalone_mode=False)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    print(f"{what:<36} {seconds:6.2f} s, {cpu:6.2f} s of it computing", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
