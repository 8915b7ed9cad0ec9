"""A store of finished runs as folders and packed: files, bytes on disk, and what commands take on each.

    lbp restore results/tables_logistic/runs.jsonl.gz --out OUT
    python -m benchmarks.speed.packs tables_logistic OUT

Ends with an error if a table differs, or if a file that comes back is not the one that was packed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

from labelbench_plus.shipped import by_name
from labelbench_plus.suite import load_suite
from labelbench_plus.sweep.folder import Sweep, SweepRun


def lbp(*arguments: object) -> str:
    """Carry out a command, tell what it took, and return what it printed."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", "labelbench_plus", *map(str, arguments)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - start
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"  lbp {' '.join(map(str, arguments))}: {cpu:.1f} CPU s, {wall:.1f} s", flush=True)
    return said


def commands(suite: str, name: str, out: Path) -> list[str]:
    """What commands say of the store, which is to be the same however it is kept."""
    index = out / "sweeps" / name / ".index.json"
    index.unlink(missing_ok=True)
    said = [lbp("sweep", "status", name, "--out", out) for _ in range(2)]  # reading everything, then what changed
    return [*said, lbp("run", suite, "--out", out), lbp("leaderboard", suite, "--out", out)]


def contents(folder: Path) -> dict[str, str]:
    """A hash of every file below a folder."""
    paths = (Path(place, name) for place, _, names in os.walk(folder) for name in names)
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def tell_size(out: Path) -> None:
    files = [
        Path(place, name).stat()
        for part in ("runs", "packed")
        for place, _, names in os.walk(out / part)
        for name in names
    ]
    kept = sum(file.st_blocks * 512 for file in files) / 1e6
    print(
        f"{len(files):,} files, {sum(file.st_size for file in files) / 1e6:.1f} MB, {kept:.1f} MB on disk", flush=True
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suite", help="whose runs are all finished")
    parser.add_argument("out", type=Path)
    asked = parser.parse_args()
    loaded = load_suite(by_name("suites", asked.suite))
    sweep = Sweep(asked.out, loaded.suite)
    sweep.folder.mkdir(parents=True, exist_ok=True)
    sweep.add_runs(map(SweepRun.of, loaded.runs()))
    (sweep.folder / "sweep.json").write_text(json.dumps({"plugins": []}))
    before = contents(asked.out / "runs")
    tell_size(asked.out)
    as_folders = commands(asked.suite, loaded.suite, asked.out)
    lbp("pack", "--out", asked.out)
    tell_size(asked.out)
    assert commands(asked.suite, loaded.suite, asked.out) == as_folders
    lbp("unpack", "--out", asked.out)
    assert contents(asked.out / "runs") == before
    print("the same tables, and the same files again")


if __name__ == "__main__":
    main()
