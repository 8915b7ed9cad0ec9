"""`lbp sweep doctor`: whether sweeps can be submitted from here."""

from __future__ import annotations

import json

import typer

from labelbench_plus.sweep.commands.common import DEFAULT_OUT, FAILED, USAGE, Json, LauncherOption, Out, Set, stop


def doctor(
    launcher: LauncherOption = "local", settings: Set = None, out: Out = DEFAULT_OUT, as_json: Json = False
) -> None:
    """Check that this is a place from which sweeps can be submitted: tools, limits, and how the file system behaves.

    Example: lbp sweep doctor -l slurm/gpu_cluster.yaml --out /shared/me/outputs
    """
    from labelbench_plus.sweep.doctor import check_files
    from labelbench_plus.sweep.profile import ProfileError, load_profile

    try:
        profile = load_profile(launcher, {}, settings or ())
    except ProfileError as error:
        stop(str(error), USAGE)
    found = [*profile.doctor(), *check_files(out)]
    if as_json:
        print(json.dumps([{"check": what, "ok": well, "found": words} for what, well, words in found]))
    else:
        width = max(len(what) for what, _, _ in found)
        for what, well, words in found:
            print(f"{ {True: 'ok  ', False: 'BAD ', None: 'note'}[well] }  {what:<{width}}  {words}")
    if any(well is False for _, well, _ in found):
        raise typer.Exit(FAILED)
