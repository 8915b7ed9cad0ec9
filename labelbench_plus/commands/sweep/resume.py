"""`lbp sweep resume`: hand over again what was lost or given back."""

from __future__ import annotations

import uuid
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labelbench_plus.commands.common import DEFAULT_OUT, Json, Pay, load_plugins, stop
from labelbench_plus.commands.sweep.common import (
    Drift,
    DryRun,
    FailFast,
    MaxHours,
    Name,
    OneRun,
    Out,
    Set,
    Yes,
    one_of,
    open_sweep,
)
from labelbench_plus.commands.sweep.handover import Order, hand_over

if TYPE_CHECKING:
    from labelbench_plus.sweep.state import RunStatus

HEADER = ("name", "version")


def resume(
    name: Name,
    launcher: Annotated[str | None, typer.Option("--launcher", "-l", help="Another launcher or profile")] = None,
    settings: Set = None,
    out: Out = DEFAULT_OUT,
    run: OneRun = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Also runs that will fail again unless something changed")
    ] = False,
    cancelled: Annotated[bool, typer.Option("--cancelled", help="Also runs that were cancelled")] = False,
    max_gpu_hours: MaxHours = None,
    fail_fast: FailFast = 50,
    allow_code_drift: Drift = False,
    pay: Pay = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Resubmit runs that were lost, failed for external reasons, or were released.

    Every run resumes from its last committed round. If nothing is left, nothing happens. For a sweep submitted with
    --snapshot, a new copy of the package is taken if it changed. A plugin file whose content changed since the sweep
    began is rejected, with or without a copy, since its runs would mix two methods under one name: --allow-code-drift
    continues anyway. With --pay, jobs may pay annotators that much more; without it, what is left.

    Examples:
      lbp sweep resume digits --retry-failed --set time=8h
      lbp sweep resume judged --pay 2
    """
    from labelbench_plus.contracts.annotators import Purse
    from labelbench_plus.plugins import PluginError, registry
    from labelbench_plus.sweep.profile import ProfileError, load_profile
    from labelbench_plus.sweep.state import State
    from labelbench_plus.sweep.submit import unfinished

    where = open_sweep(out, name)
    kept = where.settings()
    if kept.get("isolate") is None:  # a launcher may come from there too
        load_plugins(map(Path, kept["plugins"]))
    try:
        if launcher:
            profile = load_profile(launcher, {}, settings or ())
        elif settings:
            changed = {kept["launcher"]["name"]: {k: v for k, v in kept["launcher"].items() if k not in HEADER}}
            profile = load_profile(kept["launcher"]["name"], changed, settings)
        else:
            profile = registry("launchers").build(kept["launcher"])
    except (PluginError, ProfileError) as error:
        stop(str(error))
    runs = where.runs()
    chosen = {one_of(runs, each).id for each in run or ()}

    def wanted(each: RunStatus) -> bool:
        if chosen and each.run.id not in chosen:
            return False
        more = (retry_failed and each.state is State.FAILED) or (cancelled and each.state is State.CANCELLED)
        return unfinished(each) or more

    described = {**kept, "allow_code_drift": kept["allow_code_drift"] or allow_code_drift}
    if pay is not None:
        described["purse"] = asdict(Purse(uuid.uuid4().hex, pay))
    hand_over(
        Order(
            where=where,
            runs=runs,
            profile=profile,
            wanted=wanted,
            described=described,
            max_hours=max_gpu_hours,
            fail_fast=100 if retry_failed else fail_fast,
            dry_run=dry_run,
            yes=yes,
            as_json=as_json,
        )
    )
