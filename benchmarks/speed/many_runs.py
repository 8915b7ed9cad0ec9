"""A thousand small runs by one command: its CPU seconds beside those spent inside `loop.run`.

    python -m benchmarks.speed.many_runs [--runs 1000] [--jobs 2]

Digits, a linear probe, ten rounds of 20 labels, strategies `random` and `margin`. The loop's seconds, commits included,
are counted by each worker's own clock; the command's are those of its process and of all that it started, the board
included.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from labelbench_plus.cli import main as lbp
from labelbench_plus.running import crew
from labelbench_plus.shown import say
from labelbench_plus.start_up import ONE_THREAD

SUITE = "benchmarks/suites/digits.yaml"


def count(log: Path) -> None:
    """Have every worker, which is forked, add CPU seconds and seconds of each `loop.run` to a file."""
    work = crew._work

    def counting(*arguments: Any) -> None:
        from labelbench_plus import loop  # loads torch, which no process may have before it forks

        run = loop.run

        def counted(*arguments: Any, **named: Any) -> None:
            cpu, wall = time.process_time(), time.perf_counter()
            run(*arguments, **named)
            with open(log, "a") as file:  # a short line that is appended is written whole
                file.write(f"{time.process_time() - cpu} {time.perf_counter() - wall}\n")

        loop.run = counted
        work(*arguments)

    crew._work = counting  # type: ignore[assignment]


def cpu_seconds() -> float:
    """Of this process and of the children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    os.environ.update(ONE_THREAD)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        count(log)
        seeds = f"seeds=0..{arguments.runs // 2 - 1}"
        sys.argv = ["lbp", "run", SUITE, seeds, "strategies=[random,margin]", "--jobs", str(arguments.jobs)]
        sys.argv += ["--out", f"{folder}/out"]
        before, start = cpu_seconds(), time.perf_counter()
        try:
            lbp()
        except SystemExit as end:
            if end.code:
                raise
        whole, wall = cpu_seconds() - before, time.perf_counter() - start
        inside = [tuple(map(float, line.split())) for line in log.read_text().splitlines()]
    cpu, seconds = (sum(column) for column in zip(*inside, strict=True))
    say(f"{len(inside)} runs: {whole:.1f} CPU s, of which {cpu:.1f} in loop.run: {whole / cpu - 1:.1%} over it")
    say(f"{wall:.1f} s, and {seconds:.1f} s in loop.run of {arguments.jobs} workers")


if __name__ == "__main__":
    main()
