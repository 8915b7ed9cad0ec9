"""Many processes on few runs, and runs that are killed at system calls; run by test_crowd.py as a program.

One process loads everything once and forks the others.

    python -m tests.store.crowd together SUITE FOLDER      fifty processes on the suite's runs, all at once
    python -m tests.store.crowd killed SUITE FOLDER        one run, killed at each system call that changes a file
    python -m tests.store.crowd refused SUITE FOLDER       one run, where the kernel refuses every link

Prints a JSON object. The last two need strace, and the right to trace.
"""

from __future__ import annotations

import collections
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import tests.telling  # noqa: F401 registers what a suite may name
from labelbench_plus.running.job import Job, Where, carry_out
from labelbench_plus.spec import RunSpec
from labelbench_plus.store.lease import attempts
from labelbench_plus.store.run_store import RunStore
from labelbench_plus.suite import load_suite
from tests.store.killed_runs import in_child, snapshot

PROCESSES = 50
CHANGES = ("link", "linkat", "rename", "renameat2", "unlink", "unlinkat", "mkdir", "fsync", "write", "utimensat")


def carry(spec: RunSpec, root: Path) -> Any:
    return carry_out(Job.of(spec, Where(root, Path(os.environ["LBP_CACHE"]))), lambda rounds: None)


def together(specs: list[RunSpec], root: Path) -> dict[str, Any]:
    """What becomes of runs that everybody wants at once."""
    start, go = os.pipe()
    told, tell = os.pipe()

    def contend(number: int) -> None:
        os.close(go)
        os.read(start, 1)  # until the other end is closed
        order = random.Random(number).sample(specs, len(specs))
        seen: collections.Counter[str] = collections.Counter()
        deadline = time.monotonic() + 500
        while order and time.monotonic() < deadline:
            try:
                outcome = str(carry(order[0], root))
            except Exception as error:
                outcome = f"{type(error).__name__}: {error}"[:300]
            seen[outcome] += 1
            order = order[1:] + order[:1] if outcome == "busy" else order[1:]
        os.write(tell, json.dumps(seen).encode() + b"\n")

    children = [in_child(lambda number=number: contend(number)) for number in range(PROCESSES)]  # type: ignore
    os.close(start)
    os.close(go)
    os.close(tell)
    statuses = [os.waitpid(child, 0)[1] for child in children]
    with open(told, "rb") as file:
        lines = [json.loads(line) for line in file]
    outcomes = sum((collections.Counter(line) for line in lines), collections.Counter())
    folders = [RunStore(root, spec.id).folder for spec in specs]
    left = [str(path) for folder in folders for path in folder.rglob(".tmp-*")]
    ends = [[attempt.get("ended") for attempt in attempts(folder / "attempts")] for folder in folders]
    made_by = [len({cost["attempt"] for cost in RunStore(root, spec.id).costs()}) for spec in specs]
    return {"outcomes": outcomes, "statuses": statuses, "attempts": ends, "left": left, "made_by": made_by}


def traced(work: Callable[[], Any], *inject: str) -> int:
    """Do something in a forked child that strace meddles with. Returns how it ended, as of `waitpid`."""
    start, go = os.pipe()

    def wait() -> None:
        os.close(go)
        os.read(start, 1)
        work()

    child = in_child(wait)
    os.close(start)
    rules = [word for rule in inject for word in ("-e", f"inject={rule}")]
    names = ",".join(rule.partition(":")[0] for rule in inject)
    strace = subprocess.Popen(
        ["strace", "-f", "-o", "/dev/null", "-e", f"trace={names}", *rules, "-p", str(child)],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert strace.stderr is not None
    said = strace.stderr.readline()
    if "attached" not in said:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        print(json.dumps({"skip": f"strace cannot trace: {said}"}))
        sys.exit()
    os.close(go)
    _, status = os.waitpid(child, 0)
    strace.wait()
    return status


def killed(spec: RunSpec, scratch: Path, undisturbed: dict[str, bytes]) -> dict[str, Any]:
    """Kill a run at the first, second, third … of each kind of system call that changes files, and resume it."""
    kills: collections.Counter[str] = collections.Counter()
    differing = {}
    for name in CHANGES:
        while True:
            root = scratch / f"{name}-{kills[name] + 1}"
            status = traced(lambda root=root: carry(spec, root), f"{name}:signal=KILL:when={kills[name] + 1}")  # type: ignore
            if not os.WIFSIGNALED(status):
                break
            kills[name] += 1
            _, again = os.waitpid(in_child(lambda root=root: carry(spec, root)), 0)  # type: ignore
            found = snapshot(RunStore(root, spec.id).folder)
            if again or found != undisturbed:
                differing[root.name] = sorted(
                    each for each in found | undisturbed if found.get(each) != undisturbed.get(each)
                )
    return {"kills": kills, "differing": differing}


def refused(spec: RunSpec, scratch: Path, undisturbed: dict[str, bytes]) -> dict[str, Any]:
    """Carry a run out where no link is made, then where no rename refuses a name either."""
    links = [f"{name}:error=EPERM" for name in ("link", "linkat")]
    without = traced(lambda: carry(spec, scratch / "links"), *links)
    same = snapshot(RunStore(scratch / "links", spec.id).folder) == undisturbed
    neither = traced(lambda: carry(spec, scratch / "neither"), *links, "renameat2:error=EINVAL")
    return {"without": without, "same": same, "neither": neither}


def main(mode: str, suite: Path, scratch: Path) -> None:
    torch.set_num_threads(1)
    if mode == "together":
        os.fsync = lambda descriptor: None  # type: ignore  # nothing loses power here
    specs = load_suite(suite).runs()
    for spec in specs:
        carry(spec, scratch / "whole")
    if mode == "together":
        report = together(specs, scratch / "out")
        report["differing"] = [
            spec.id
            for spec in specs
            if snapshot(RunStore(scratch / "out", spec.id).folder)
            != snapshot(RunStore(scratch / "whole", spec.id).folder)
        ]
    else:
        act = killed if mode == "killed" else refused
        report = act(specs[0], scratch, snapshot(RunStore(scratch / "whole", specs[0].id).folder))
    print(json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
