"""A job that inspects the place where runs will be computed, for `lbp sweep doctor --probe`.

    python -m labelbench_plus.sweep.probe QUESTION.json

The machine that submits writes the question; the job answers beside it. That both see each other's files, and that a
name taken by the one is refused to the other, is what leases and commits rely on.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from labelbench_plus.contracts.launchers import Batch, Launcher, SchedulerError
from labelbench_plus.store.atomic import publish, replace
from labelbench_plus.sweep.code import code_version
from labelbench_plus.sweep.doctor import CLOCK_SECONDS, Finding, check_wandb

QUESTION, ANSWER, TAKEN = "question.json", "answer.json", "taken"
LOOK_SECONDS = 1.0
LOG_LINES = 5


def probe(launcher: Launcher, out: Path, cache: Path, seconds: float, told: Callable[[str], None]) -> list[Finding]:
    """Start a job with the launcher's settings and wait this many seconds for what it finds.

    Parameters
    ----------
    out: the output directory; cache: of features.
    told: called with what is being waited for.
    """
    name = f"probe-{uuid.uuid4().hex[:8]}"
    folder = (out / f".doctor-{name}").absolute()
    job = None
    try:
        folder.mkdir(parents=True)
        publish(folder / TAKEN, b"by the machine that submits")
        question = {"cache": str(cache.absolute()), "device": launcher.device, "code": code_version((), ())}
        publish(folder / QUESTION, json.dumps(question).encode())
        batch = Batch("doctor", name, 1, folder / QUESTION, folder / "jobs", module="labelbench_plus.sweep.probe")
        job = launcher.submit(batch, None)
        told(f"job {job} was submitted; waiting at most {seconds:.0f} s for it to answer (Ctrl-C gives up)")
        answer = _await(launcher, batch, job, folder, seconds)
    except (OSError, SchedulerError) as error:
        return [("probe job", False, str(error))]
    except KeyboardInterrupt:
        answer = "given up"
    finally:
        if job is not None and not (folder / ANSWER).exists():
            with contextlib.suppress(SchedulerError):
                launcher.cancel(job, None)
        shutil.rmtree(folder, ignore_errors=True)
    if isinstance(answer, str):
        return [("probe job", False, answer)]
    where = f"on {answer['host']}"
    found: list[Finding] = [("probe job", True, f"ran {where}")]
    skew = abs(answer["time"] - answer["written"])
    words = f"{skew:.1f} s between {answer['host']}'s clock and the file system's"
    found.append((f"clock {where}", skew < CLOCK_SECONDS or None, words))
    return [*found, *[(f"{what} {where}", well, words) for what, well, words in answer["found"]]]


def _await(launcher: Launcher, batch: Batch, job: str, folder: Path, seconds: float) -> dict[str, Any] | str:
    """The job's answer, or why there is none."""
    deadline, over = time.monotonic() + seconds, False
    while time.monotonic() < deadline:
        if ANSWER in os.listdir(folder):
            answer: dict[str, Any] = json.loads((folder / ANSWER).read_bytes())
            return {**answer, "written": (folder / ANSWER).stat().st_mtime}
        if over:
            log, lines = launcher.output(batch, job, 0), list[str]()
            with contextlib.suppress(OSError):
                lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:]
            printed = " | ".join(lines) or "nothing"
            return f"it ended without an answer that can be seen from here; it printed: {printed}"
        listing = launcher.listing(batch.sweep, [job])
        listed = listing.tasks.get((job, 0)) if listing else None
        over = listing is not None and not (listed and listed.live)  # it may have answered since: look once more
        time.sleep(LOOK_SECONDS)
    return f"no answer after {seconds:.0f} s: it waits in the queue, or cannot write where this machine can see it"


def look_around(question: Path) -> list[Finding]:
    """What a job can find out."""
    asked, folder = json.loads(question.read_bytes()), question.parent
    exclusive = not publish(folder / TAKEN, b"by the job")
    words = "a name taken elsewhere is refused" if exclusive else "two machines can take the same name: no leases here"
    found: list[Finding] = [("lease", exclusive, words)]
    replace(folder / "replaced", b"1")
    replace(folder / "replaced", b"2")
    found.append(("replace", (folder / "replaced").read_bytes() == b"2", "rename(2) replaces in one step"))
    cache = Path(asked["cache"])
    with contextlib.suppress(OSError):
        cache.mkdir(parents=True, exist_ok=True)
    found.append(("cache", os.access(cache, os.W_OK), f"{cache}: LBP_CACHE must be on the shared file system"))
    same = code_version((), ()) == asked["code"]
    found.append(
        ("code", same, "is that of the submission" if same else f"{code_version((), ())}, not {asked['code']}")
    )
    if asked["device"] == "cuda":
        import torch

        there = torch.cuda.is_available()
        found.append(("GPU", there, torch.cuda.get_device_name() if there else "torch finds none"))
    return [*found, *check_wandb()]


def main() -> None:
    question = Path(sys.argv[1])
    answer = {"host": os.environ.get("SLURMD_NODENAME", socket.gethostname()), "found": look_around(question)}
    replace(question.with_name(ANSWER), json.dumps({**answer, "time": time.time()}).encode())


if __name__ == "__main__":
    main()
