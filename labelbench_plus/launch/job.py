"""One run as plain values that any process can be handed, and the function that carries it out.

Nothing heavy is imported at the top: a worker process must be able to set its thread count before numpy and torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from labelbench_plus.store.run_store import RoundRecord

Outcome = Literal["finished", "already done", "busy"]


@dataclass(frozen=True)
class Job:
    """A run to carry out.

    Attributes
    ----------
    run_id, spec: what to run (`RunSpec.as_json`).
    title: for people.
    root: the output directory; cache: of features; device: "cpu" or "cuda".
    plugin_files: given with `--plugin`.
    suite, wandb: under which name and in which mode to mirror to W&B.
    """

    run_id: str
    spec: dict[str, Any]
    title: str
    root: Path
    cache: Path
    device: str
    plugin_files: tuple[Path, ...]
    suite: str
    wandb: Literal["disabled", "offline", "online"]


def carry_out(job: Job, on_round: Callable[[int], None]) -> Outcome:
    """Run a job from wherever it stands to its end in this process.

    Parameters
    ----------
    on_round: called with the number of rounds committed, after each.
    """
    from labelbench_plus.loop import run
    from labelbench_plus.plugins import load_plugin_file
    from labelbench_plus.problems import Place
    from labelbench_plus.spec import RunSpec
    from labelbench_plus.store.lease import RunBusy
    from labelbench_plus.store.manifest import manifest
    from labelbench_plus.store.run_store import RunStore
    from labelbench_plus.tracking.wandb_mirror import WandbMirror, mirrored

    for file in job.plugin_files:
        load_plugin_file(file)
    spec = RunSpec.from_json(job.spec)
    store = RunStore(job.root, job.run_id)
    mirror = WandbMirror(spec, store.folder, job.suite, job.wandb)
    if store.done:
        if job.wandb != "disabled" and not mirrored(store.folder):
            for record, costs in zip(store.rounds(), store.costs(), strict=True):
                mirror.round(record, costs)
            mirror.finish()
        return "already done"

    def listener(record: RoundRecord, costs: dict[str, float | None]) -> None:
        mirror.round(record, costs)
        on_round(record.number + 1)

    try:
        lease = store.open(spec, manifest(spec, job.device))
    except RunBusy:
        return "busy"
    try:
        run(spec, store, lease, Place(job.cache, job.device), listener)
    except Exception as error:
        lease.release("failed", f"{type(error).__name__}: {error}")
        raise
    except BaseException:  # Ctrl-C or a request to stop: what is committed stays, the next attempt goes on from it
        lease.release("stopped")
        raise
    lease.release("finished")
    mirror.finish()
    return "finished"
