"""CPU seconds of whole commands beside `import torch`, and what their imports take.

    python -m benchmarks.speed.startup [--repeats 5]

Each repeat runs `import torch` and then every command once; ratios are of the same repeat. CPU seconds are those of the
process and of all it started, with one thread each. `--imports COMMAND` lists what a command imports instead:

    python -m benchmarks.speed.startup --imports 'lbp leaderboard benchmarks/suites/digits.yaml'
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import shlex
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from statistics import median

import numpy as np

from labelbench_plus.shown import say
from labelbench_plus.start_up import ONE_THREAD

LBP = [sys.executable, "-c", "from labelbench_plus.cli import main; main()"]
DIGITS = "benchmarks/suites/digits.yaml"
FORTY = f"{DIGITS} seeds=0..19 strategies=[random,margin] --out {{many}} --jobs 2"
ONE = f"{DIGITS} seeds=[0] strategies=[margin] --out {{out}}"
COMMANDS = {
    "`lbp --help`": "--help",
    "`lbp list strategies`": "list strategies",
    "`lbp run`, a fault in the suite": f"run {DIGITS} strategies=[margn]",
    "`lbp config hash`": f"config hash {DIGITS}",
    "`lbp run`, one digits run of 10 rounds": f"run {ONE}",
    "the same, everything done": f"run {ONE}",
    "`lbp leaderboard` of one run": f"leaderboard {ONE}",
    "`lbp show` of one run": "show {run} --out {out}",
    "`lbp run`, 40 digits runs, two processes": f"run {FORTY}",
    "the same 40, everything done": f"run {FORTY}",
    "`lbp pairs select`, VAS of 100,000 pairs": "pairs select {selection} --out {pairs} --jobs 1",
    "the same selection, everything done": "pairs select {selection} --out {pairs} --jobs 1",
}
SELECTION = """\
pool: {{name: pair_arrays, images: {folder}/pairs.npy, texts: {folder}/pairs.npy, targets: [{folder}/targets.npy]}}
strategy: vas
fraction: 0.3
"""


def cpu_seconds(command: list[str]) -> float:
    """CPU seconds of a command and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env={**os.environ, **ONE_THREAD}, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def once() -> dict[str, float]:
    """CPU seconds of each command, the first of them `import torch`."""
    found = {"`import torch`": cpu_seconds([sys.executable, "-c", "import torch"])}
    with tempfile.TemporaryDirectory() as folder:
        known = {"out": f"{folder}/out", "many": f"{folder}/many", "run": "", "pairs": f"{folder}/pairs"}
        known["selection"] = write_selection(folder)
        for name, command in COMMANDS.items():
            known["run"] = next((path.name for path in Path(folder).glob("out/runs/*")), "")
            found[name] = cpu_seconds([*LBP, *shlex.split(command.format_map(known))])
    return found


def write_selection(folder: str) -> str:
    """A selection of 100,000 pairs of 512 columns by 5,000 targets, of unit norm: its file."""
    rng = np.random.default_rng(0)
    for name, rows in (("pairs", 100_000), ("targets", 5_000)):
        drawn = rng.standard_normal((rows, 512), dtype=np.float32)
        np.save(f"{folder}/{name}.npy", (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float16))
    Path(folder, "selection.yaml").write_text(SELECTION.format(folder=folder))
    return f"{folder}/selection.yaml"


def table(repeats: list[dict[str, float]]) -> str:
    """Medians, and medians of the ratios to `import torch` of the same repeat."""
    torch = next(iter(repeats[0]))
    lines = ["| command | CPU s | × `import torch` |", "| :-- | --: | --: |"]
    for name in repeats[0]:
        seconds = median(repeat[name] for repeat in repeats)
        ratio = median(repeat[name] / repeat[torch] for repeat in repeats)
        lines.append(f"| {name} | {seconds:.2f} | {ratio:.2f} |")
    return "\n".join(lines)


def imports(command: str, most: int = 25) -> str:
    """Milliseconds of importing, by package, of a command that begins with `lbp`."""
    arguments = [*LBP[:1], "-X", "importtime", *LBP[1:], *shlex.split(command)[1:]]
    said = subprocess.run(arguments, env={**os.environ, **ONE_THREAD}, capture_output=True, text=True, check=False)
    spent, modules = Counter[str](), Counter[str]()
    for own, name in re.findall(r"^import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)$", said.stderr, flags=re.M):
        package = name.partition(".")[0]
        spent[package] += int(own)
        modules[package] += 1
    rows = [f"| {name} | {modules[name]} | {us / 1000:.0f} |" for name, us in spent.most_common(most)]
    return "\n".join(["| package | modules | ms |", "| :-- | --: | --: |", *rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--imports", metavar="COMMAND")
    arguments = parser.parse_args()
    say(imports(arguments.imports) if arguments.imports else table([once() for _ in range(arguments.repeats)]))


if __name__ == "__main__":
    main()
