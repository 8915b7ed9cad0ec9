"""`lbp sweep submit`: hand over every run of a suite that is not done, running or waiting."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from labelbench_plus.commands.sweep.common import (
    DEFAULT_OUT,
    USAGE,
    Drift,
    DryRun,
    FailFast,
    Json,
    LauncherOption,
    MaxHours,
    Only,
    Out,
    Set,
    Snap,
    Yes,
    filters_of,
    stop,
)
from labelbench_plus.commands.sweep.handover import Order, hand_over

if TYPE_CHECKING:
    from labelbench_plus.sweep.state import RunStatus


def submit(
    suite: Annotated[Path, typer.Argument(help="A suite file, e.g. benchmarks/suites/digits.yaml")],
    overrides: Annotated[list[str] | None, typer.Argument(help="dotted.path=value, e.g. seeds=0..9")] = None,
    launcher: LauncherOption = "local",
    settings: Set = None,
    out: Out = DEFAULT_OUT,
    plugin: Annotated[list[Path] | None, typer.Option("--plugin", help="A Python file that registers plugins")] = None,
    wandb: Annotated[Literal["disabled", "offline", "online"], typer.Option(help="Mirror runs to W&B")] = "disabled",
    only: Only = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many runs")] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Also runs that failed")] = False,
    max_parallel: Annotated[int | None, typer.Option(min=1, help="At most so many jobs at a time")] = None,
    max_gpu_hours: MaxHours = None,
    fail_fast: FailFast = 50,
    snapshot: Snap = False,
    allow_code_drift: Drift = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Submit every run of a suite that is not done, running or waiting; return at once.

    Example: lbp sweep submit benchmarks/suites/digits.yaml -l slurm/gpu_cluster.yaml --set time=2h
    """
    from labelbench_plus.plugins import PluginError, load_plugin_file
    from labelbench_plus.store.artefacts import default_cache_dir
    from labelbench_plus.suite import SuiteError, load_suite
    from labelbench_plus.sweep.folder import Sweep, SweepRun
    from labelbench_plus.sweep.profile import ProfileError, load_profile
    from labelbench_plus.sweep.state import State
    from labelbench_plus.sweep.submit import new_only

    try:
        for file in plugin or ():
            load_plugin_file(file)
        loaded = load_suite(suite, overrides or ())
        extra = [f"max_parallel={max_parallel}"] if max_parallel else []
        profile = load_profile(launcher, loaded.launch, [*(settings or ()), *extra])
    except (SuiteError, PluginError, ProfileError) as error:
        stop(str(error), USAGE)
    runs = [SweepRun.of(spec) for spec in loaded.runs()]
    filters = filters_of(only)
    where = Sweep(out, loaded.suite)
    text = suite.read_bytes()
    described = {
        "suite": loaded.suite,
        "plugins": [str(file.resolve()) for file in plugin or ()],
        "wandb": wandb,
        "cache": str(Path(default_cache_dir()).absolute()),
        "allow_code_drift": allow_code_drift,
        "snapshot": snapshot,
        "isolate": loaded.isolate,
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
