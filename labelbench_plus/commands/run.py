"""`lbp run`: carry out a suite here."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from labelbench_plus.commands.common import (
    DEFAULT_JOBS,
    DEFAULT_OUT,
    FAILED,
    INTERRUPTED,
    Answers,
    Device,
    Jobs,
    KeepModels,
    Out,
    Overrides,
    Pay,
    Plugins,
    SuiteArgument,
    WandbMode,
    check_models_can_be_kept,
    check_writable,
    load_runs,
    stop,
    tell_isolation,
)
from labelbench_plus.commands.leaderboard import show_board
from labelbench_plus.commands.paying import purse_for, show_bill, undone
from labelbench_plus.shown import counted, say
from labelbench_plus.start_up import one_thread


def run(
    suite: SuiteArgument,
    overrides: Overrides = None,
    out: Out = DEFAULT_OUT,
    jobs: Jobs = DEFAULT_JOBS,
    plugin: Plugins = None,
    device: Device = "cpu",
    wandb: WandbMode = "disabled",
    keep_models: KeepModels = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Do at most this many runs, to try a suite out")] = None,
    answers: Answers = None,
    pay: Pay = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Say what would be done, who would be asked and what it may cost, without doing it"
        ),
    ] = False,
) -> None:
    """Do every unfinished run of a suite, then show the leaderboard.

    If a suite's annotators are paid, --pay sets the limit; --dry-run shows the bill, and what would be sent to them.
    Exit code 1 if a run failed, 75 if one is unfinished for another reason, e.g. it waits for answers or for money.

    Examples:
      lbp run digits seeds=0..9 --jobs 4
      lbp run digits 'strategies=[random, margin]' --dry-run
    """
    if device == "cpu":  # CUDA is of no use to a fork
        one_thread()
    from labelbench_plus.running.drift import changed_since
    from labelbench_plus.running.job import Mirror, Where, local_jobs
    from labelbench_plus.running.local import LEFT, run_local
    from labelbench_plus.running.progress import Progress

    loaded, runs = load_runs(suite, overrides, plugin, out, answers=answers)
    _check_device(device)
    if keep_models:
        check_models_can_be_kept(runs)
    tell_isolation(loaded, runs)
    where, mirror = Where.here(out, device, plugin or (), answers=answers), Mirror(loaded.suite, wandb)
    work = local_jobs(runs, where, jobs, mirror, isolate=loaded.isolate, keep_models=keep_models)
    done, left = len(runs) - len(work), work[limit:] if limit else []
    work = work[: len(work) - len(left)]
    if dry_run:
        say(f"{loaded.suite}: {len(runs)} runs, {done} done, {len(work)} to do, in {out}; nothing was done")
        show_bill(undone(runs, work), where)
        return
    purse = purse_for(undone(runs, work), where, pay)
    work = [replace(job, where=replace(job.where, purse=purse)) for job in work]
    if work:
        check_writable(out, "--out")
    say(f"{loaded.suite}: {len(runs)} runs, {done} done, {len(work)} to do, in {out}")
    for name, count in changed_since(runs, out, where.plugin_files).items():
        say(
            f"note: {counted(count, 'finished run')} used an earlier {name} and will not be recomputed; raise its "
            "plugin's `version` to get new ones"
        )
    progress = Progress(len(work), len(loaded.budget.amounts()))
    try:
        with progress:
            run_local(work, jobs, progress.event, on_ready=progress.show, said=progress.said)
    except KeyboardInterrupt:
        say(f"\nstopped; {progress.ended} of {len(work)} runs ended, and every committed round is kept.")
        say("The same command resumes from here.")
        raise typer.Exit(INTERRUPTED) from None
    progress.report()
    if left:
        say(f"{counted(len(left), 'run')} left by --limit {limit}; the same command without it does the rest")
    show_board(loaded, runs, out, suite)
    if progress.left:
        raise typer.Exit(FAILED if progress.failed else LEFT)


def _check_device(device: str) -> None:
    if device == "cuda":
        import torch

        if not torch.cuda.is_available():
            stop("--device cuda: this machine has no CUDA device that torch can use; leave the option out")
