"""Why runs fail: what can be retried unchanged, what cannot, and what to do about it."""

from __future__ import annotations

import errno
import re
import traceback
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Kind = Literal["infra", "resources", "code"]
"""`infra`: the machine's fault, worth another try. `resources`: it asked for more than it was given. `code`: it will
fail again just so."""

OURS = str(Path(__file__).resolve().parents[1])
BROKEN_STORAGE = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.EROFS, errno.ETIMEDOUT, errno.ENOTCONN}
BROKEN_STORAGE |= {errno.ENXIO, errno.ENODEV, errno.ENOLCK, errno.EHOSTDOWN, errno.EHOSTUNREACH}
BROKEN_WRITE = re.compile(r"PytorchStreamWriter failed|inline_container.*unexpected pos")  # torch.save, on a full disk
BROKEN_GPU = re.compile(
    r"CUDA error: (uncorrectable ECC|unspecified launch failure|all CUDA-capable devices are busy|unknown error)"
    r"|no CUDA-capable device|NVML|NCCL",
)

SUGGESTIONS = (
    ("OutOfMemoryError", "the GPU's memory did not suffice: lower the trainer's batch size, or pack.concurrent"),
    ("MemoryError", "raise the launcher's `memory`, or lower pack.concurrent"),
    (
        "the worker process died",
        "killed from outside, most often for memory: raise the launcher's `memory`, or lower pack.concurrent",
    ),
    ("NoProgress", "one round needs longer than a job lasts: raise the launcher's `time`, then resume --retry-failed"),
    ("CodeChanged", "resume --retry-failed computes with the code of now; --allow-code-drift lets jobs differ"),
    ("StrategyContractError", "the strategy broke its contract; `lbp check` finds out where"),
    ("ScoreError", "the model says nothing: a smaller learning rate, or features of one scale, is the usual cure"),
    ("NondeterminismError", "the same spec gave two results: other hardware or versions than before? see the log"),
    ("cannot be decoded", "`lbp data check SUITE` reads everything once and lists all that cannot be read"),
    ("No space left", "free some space, then resume"),
    ("Disk quota", "free some space, then resume"),
    ("PermissionError", "the job may not write to the output directory: check its owner and mode"),
    ("neither hard links", "put the output directory (--out) elsewhere; `lbp sweep doctor --out DIR` tries a place"),
    ("Read-only file system", "the output directory cannot be written to from the node"),
)


@dataclass(frozen=True)
class FailureGroup:
    """Runs that failed in the same way: their ids, what happened, where, of what kind, and what to do about it."""

    runs: tuple[str, ...]
    what: str
    where: str
    kind: Kind
    suggestion: str


def facts_of(error: BaseException) -> dict[str, str]:
    """What to keep of an error: its type, the deepest line of this project's code, its kind."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if frame.filename.startswith(OURS)]
    foreign = [frame for frame in frames if "site-packages" not in frame.filename and frame not in ours]
    deepest = (foreign or ours or frames)[-1:]  # a plugin's own file says more than the loop that called it
    where = f"{Path(deepest[0].filename).name}:{deepest[0].lineno}" if deepest else ""
    return {"type": type(error).__name__, "where": where, "kind": kind_of(error)}


def kind_of(error: BaseException) -> Kind:
    """Whose fault an error is."""
    if type(error).__name__ == "OutOfMemoryError" or isinstance(error, MemoryError):
        return "resources"
    if isinstance(error, ConnectionError | TimeoutError):
        return "infra"
    if isinstance(error, OSError) and error.errno in BROKEN_STORAGE:
        return "infra"
    if BROKEN_GPU.search(str(error)) or BROKEN_WRITE.search(str(error)):
        return "infra"
    return kind_of(error.__cause__) if error.__cause__ is not None else "code"


def kind_of_attempt(attempt: dict[str, Any]) -> Kind:
    """The kind that a failed attempt's record says, "code" if it does not say."""
    kind = attempt.get("failure", {}).get("kind", "code")
    return kind if kind in ("infra", "resources") else "code"


def suggestion(what: str) -> str:
    """What to do about a failure, judging by its message; empty if unknown."""
    return next((advice for sign, advice in SUGGESTIONS if sign in what), "")


def group(failures: Iterable[tuple[str, dict[str, Any]]]) -> list[FailureGroup]:
    """Put runs that failed in the same way together, the most frequent cause first.

    Parameters
    ----------
    failures: run id and the record of the attempt that failed.
    """
    alike: defaultdict[tuple[str, str], list[tuple[str, dict[str, Any]]]] = defaultdict(list)
    for run, attempt in failures:
        facts = attempt.get("failure", {})
        alike[facts.get("type") or attempt.get("detail", "").partition(":")[0], facts.get("where", "")].append(
            (run, attempt)
        )
    groups = []
    for (_, where), members in alike.items():
        what = members[0][1].get("detail", "") or "ended without a trace"
        runs = tuple(run for run, _ in members)
        groups.append(FailureGroup(runs, what, where, kind_of_attempt(members[0][1]), suggestion(what)))
    return sorted(groups, key=lambda each: (-len(each.runs), each.what))
