"""`lbp sweep submit`: hand over every run of a suite that is not done, running or waiting for answers."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labelbench_plus.commands.common import (
    DEFAULT_OUT,
    Answers,
    Json,
    KeepModels,
    Overrides,
    Pay,
    Plugins,
    SuiteArgument,
    WandbMode,
    check_models_can_be_kept,
    load_runs,
    stop,
)
from labelbench_plus.commands.paying import purse_for, show_bill
from labelbench_plus.commands.sweep.common import (
    Drift,
    DryRun,
    FailFast,
    LauncherOption,
    MaxHours,
    Only,
    Out,
    Set,
    Snap,
    Yes,
    filters_of,
)
from labelbench_plus.commands.sweep.handover import Order, hand_over
from labelbench_plus.commands.sweep.show_unresolved import show_unresolved
from labelbench_plus.shown import say

if TYPE_CHECKING:
    from labelbench_plus.sweep.state import RunStatus


def submit(
    suite: SuiteArgument,
    overrides: Overrides = None,
    launcher: LauncherOption = "local",
    settings: Set = None,
    out: Out = DEFAULT_OUT,
    plugin: Plugins = None,
    wandb: WandbMode = "disabled",
    keep_models: KeepModels = False,
    only: Only = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most this many runs")] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Also runs that failed")] = False,
    max_parallel: Annotated[int | None, typer.Option(min=1, help="At most this many jobs at a time")] = None,
    max_gpu_hours: MaxHours = None,
    fail_fast: FailFast = 50,
    snapshot: Snap = False,
    allow_code_drift: Drift = False,
    answers: Answers = None,
    pay: Pay = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Submit every run of a suite that is not done, running or waiting for answers, and return immediately.

    With `--dry-run`, data and weights need not be on this machine: it says what is missing, and how to get it. If
    annotators are paid, --pay sets the limit over all jobs.

    Examples:
      lbp sweep submit digits -l slurm/gpu_cluster.yaml --set time=2h
      lbp sweep submit judged.yaml --pay 5 --only strategy=margin --dry-run
    """
    from labelbench_plus.isolation.suites import not_covered
    from labelbench_plus.running.job import Where
    from labelbench_plus.store.artefacts import default_cache_dir
    from labelbench_plus.sweep.folder import Sweep, SweepRun
    from labelbench_plus.sweep.profile import ProfileError, load_profile
    from labelbench_plus.sweep.state import State
    from labelbench_plus.sweep.submit import new_only

    absent: list[str] = []
    loaded, specs = load_runs(suite, overrides, plugin, out, absent if dry_run else None, answers)
    if keep_models:
        check_models_can_be_kept(specs)
    try:
        extra = [f"max_parallel={max_parallel}"] if max_parallel else []
        profile = load_profile(launcher, loaded.launch, [*(settings or ()), *extra])
    except ProfileError as error:
        stop(str(error))
    if loaded.isolate is not None:
        told = f"isolate: {loaded.isolate.kind}: each job finds out what confines strategies there, and notes it"
        say(f"{told}\n{not_covered(specs)}", file=sys.stderr)
    filters = filters_of(only)
    if absent:
        show_unresolved(loaded, specs, absent, profile, filters, limit, as_json)
        return
    place, purse = Where.here(out, plugin_files=plugin or (), answers=answers), None
    selections = [*{spec.selection.id: spec.selection for spec in specs}.values()]
    if not dry_run:
        purse = purse_for(selections, place, pay)
    elif not as_json:
        show_bill(selections, place)
    runs = [SweepRun.of(spec) for spec in specs]
    where = Sweep(out, loaded.suite)
    text = suite.read_bytes()
    described = {
        "suite": loaded.suite,
        "plugins": [str(file.resolve()) for file in plugin or ()],
        "wandb": wandb,
        "cache": str(Path(default_cache_dir()).absolute()),
        "allow_code_drift": allow_code_drift,
        "snapshot": snapshot,
        "isolate": loaded.isolate.model_dump() if loaded.isolate else None,
        "keep_models": keep_models,
        "answers": str(answers.absolute()) if answers else None,
        "purse": None if purse is None else asdict(purse),
    }

    def wanted(each: RunStatus) -> bool:
        chosen = new_only(each) or (retry_failed and each.state is State.FAILED)
        return chosen and all(getattr(each.run, key) == value for key, value in filters)

    hand_over(
        Order(
            where=where,
            runs=runs,
            profile=profile,
            wanted=wanted,
            described=described,
            suite=text,
            limit=limit,
            max_hours=max_gpu_hours,
            fail_fast=100 if retry_failed else fail_fast,
            dry_run=dry_run,
            yes=yes,
            as_json=as_json,
        )
    )
