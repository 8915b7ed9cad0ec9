"""`lbp sweep doctor`: whether sweeps can be submitted from here."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from labelbench_plus.commands.common import DEFAULT_OUT, FAILED, Json, stop
from labelbench_plus.commands.sweep.common import LauncherOption, Out, Set
from labelbench_plus.shown import say


def doctor(
    launcher: LauncherOption = "local",
    settings: Set = None,
    out: Out = DEFAULT_OUT,
    probe: Annotated[
        int | None, typer.Option(min=1, help="Also run the checks in a job, and wait this many seconds for it")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check that sweeps can be submitted from here: tools, limits, and how the file system behaves.

    Examples:
      lbp sweep doctor -l slurm/gpu_cluster.yaml --out /shared/me/outputs --probe 600
      lbp sweep doctor -l local
    """
    from labelbench_plus.store.artefacts import default_cache_dir
    from labelbench_plus.sweep.doctor import check_files, check_wandb
    from labelbench_plus.sweep.probe import probe as look_from_a_job
    from labelbench_plus.sweep.profile import ProfileError, load_profile

    try:
        profile = load_profile(launcher, {}, settings or ())
    except ProfileError as error:
        stop(str(error))
    found = [*profile.doctor(), *check_files(out), *check_wandb()]
    if probe:
        cache = Path(default_cache_dir())
        found += look_from_a_job(profile, out, cache, probe, lambda line: say(line, file=sys.stderr))
    if as_json:
        say(json.dumps([{"check": what, "ok": well, "found": words} for what, well, words in found]))
    else:
        width = max(len(what) for what, _, _ in found)
        for what, well, words in found:
            say(f"{ {True: 'ok  ', False: 'BAD ', None: 'note'}[well] }  {what:<{width}}  {words}")
    if any(well is False for _, well, _ in found):
        raise typer.Exit(FAILED)
