"""What `submit` and `resume` have in common: plan, show, ask, do."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from labelbench_plus.sweep.commands.common import (
    DEFAULT_OUT,
    FAILED,
    INTERRUPTED,
    UNREACHABLE,
    USAGE,
    Holding,
    specs_of,
    stop,
)
from labelbench_plus.sweep.commands.show_plan import show_dry_run, show_plan

if TYPE_CHECKING:
    from labelbench_plus.launchers import Launcher
    from labelbench_plus.spec import RunSpec
    from labelbench_plus.sweep.folder import Sweep, SweepRun
    from labelbench_plus.sweep.submit import Plan, Wanted

ASK_ABOVE_RUNS = 50


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a command asks for.

    Attributes
    ----------
    runs: all that are to be looked at; wanted: which of them are to be submitted; limit: at most so many.
    described: what the sweep notes of itself (`sweep.json`).
    suite: the suite's text; None if the runs are the sweep's own, which must then still mean what they meant.
    max_hours: do not submit more GPU hours than that.
    """

    where: Sweep
    runs: Sequence[SweepRun]
    profile: Launcher
    wanted: Wanted
    described: dict[str, Any]
    suite: bytes | None = None
    limit: int | None = None
    max_hours: float | None
    dry_run: bool
    yes: bool
    as_json: bool


def hand_over(order: Order) -> None:
    """Plan, show, ask, and hand over."""
    where, profile = order.where, order.profile
    from labelbench_plus.launchers import SchedulerError
    from labelbench_plus.plugins import describe
    from labelbench_plus.store.atomic import replace
    from labelbench_plus.sweep.code import code_version
    from labelbench_plus.sweep.state import State, look
    from labelbench_plus.sweep.submit import heal, plan, submit

    def say(line: str) -> None:
        if not order.as_json:
            print(line, flush=True)

    with Holding(where, order.dry_run):
        if not order.dry_run:
            try:
                for line in heal(where):
                    say(line)
            except SchedulerError as error:
                stop(f"the submission before this one was interrupted, and {error}: try again later", UNREACHABLE)
        found = look(where, fresh=True, runs=order.runs)
        if found.count(State.UNKNOWN):
            say(f"{found.count(State.UNKNOWN)} runs were submitted, and no scheduler answers: they are left alone")
        busy = (State.RUNNING, State.PENDING, State.REQUEUED)
        live = {each.submission for each in found.of(*busy) if each.submission}
        planned = plan(where, found.runs, profile, order.wanted, order.limit, len(live))
        if order.suite is None:
            _check_ids(planned.runs)
        if not order.as_json:
            show_plan(where, found, planned)
        if order.dry_run:
            show_dry_run(planned, order.as_json)
            return
        if not planned.runs:
            if order.as_json:
                print(json.dumps({"submitted": 0, "jobs": []}))
            if found.count(State.UNKNOWN):
                raise typer.Exit(UNREACHABLE)
            return
        _ask(planned, order.max_hours, order.yes)
        where.folder.mkdir(parents=True, exist_ok=True)
        if order.suite is not None:
            replace(where.folder / "suite.yaml", order.suite)
        replace(
            where.folder / "sweep.json",
            json.dumps({**order.described, "launcher": describe(profile)}, indent=1).encode(),
        )
        known = {run.id for run in where.runs()}
        where.add_runs(run for run in order.runs if run.id not in known)
        if again := where.cancelled() & {run.id for run in planned.runs}:
            where.set_cancelled(where.cancelled() - again)
        settings = {
            "root": str(where.root.absolute()),
            "cache": order.described["cache"],
            "plugins": order.described["plugins"],
            "wandb": order.described["wandb"],
            "launcher": profile.name,
            "device": profile.device,
            "concurrent": profile.concurrent,
            "cores": profile.cores,
            "time_limit": profile.time_limit,
            "notice": profile.notice,
            "expected_seconds": planned.slowest,
            "idle_attempts": profile.idle_attempts,
            "code": None if order.described["allow_code_drift"] else code_version(),
        }
        done = submit(where, planned, settings, say)
    if order.as_json:
        refused = [run.id for run in done.refused]
        print(json.dumps({"submitted": done.runs, "jobs": done.jobs, "refused": refused, "error": done.error}))
    if done.error:
        lines = [f"refused: {done.error}", f"{len(done.refused)} runs were not submitted:"]
        lines += [f"  {run.id}  {run.title}" for run in done.refused[:20]]
        if len(done.refused) > 20:
            lines.append(f"  ... and {len(done.refused) - 20} more")
        if done.jobs:
            lines.append(f"what did go in: {', '.join(f'{job} ({n} jobs)' for job, n in done.jobs)}")
            if profile.name == "slurm":
                lines.append(f"to take it back: scancel {' '.join(job for job, _ in done.jobs)}")
        print("\n".join(lines), file=sys.stderr)
        raise typer.Exit(FAILED)
    if done.interrupted:
        print(f"interrupted after {done.runs} runs; the same command goes on from here", file=sys.stderr)
        raise typer.Exit(INTERRUPTED)
    out = f" --out {where.root}" if where.root != DEFAULT_OUT else ""
    say(f"watch it: lbp sweep status {where.name}{out} --watch 30")


def _ask(planned: Plan, max_hours: float | None, yes: bool) -> None:
    hours = planned.hours if planned.hours is not None else planned.ceiling
    too_dear = max_hours is not None and (hours is None or hours > max_hours)
    if yes or not (too_dear or len(planned.runs) > ASK_ABOVE_RUNS):
        return
    if too_dear and not sys.stdin.isatty():
        words = f"{hours:.3g}" if hours is not None else "an unknown number of"
        stop(f"--max-gpu-hours {max_hours:g}: {words} hours are expected; --yes submits all the same", USAGE)
    if sys.stdin.isatty() and not typer.confirm(f"submit {len(planned.runs)} runs?"):
        raise typer.Exit(FAILED)


def _check_ids(runs: Sequence[SweepRun]) -> None:
    """A run must still mean what it meant when it was submitted."""
    faults = []
    specs: dict[str, RunSpec | str] = {}
    for run in runs:
        try:
            specs[run.id] = specs_of([run])[0]
        except Exception as error:
            faults.append(f"{run.id} ({run.title}): {error}")
            continue
        spec = specs[run.id]
        if not isinstance(spec, str) and spec.id != run.id:
            now = spec.as_json()
            changed = [key for key in now if now[key] != run.spec.get(key)] or ["data"]
            faults.append(f"{run.id} ({run.title}): would now be run {spec.id}; changed: {', '.join(changed)}")
    if faults:
        more = [f"... and {len(faults) - 10} more"] if len(faults) > 10 else []
        stop("these runs cannot be continued by the code and data of now:\n" + "\n".join([*faults[:10], *more]), USAGE)
