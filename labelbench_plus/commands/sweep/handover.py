"""What `submit` and `resume` have in common: plan, show, ask, do."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from labelbench_plus.commands.common import DEFAULT_OUT, FAILED, INTERRUPTED, UNREACHABLE, stop
from labelbench_plus.commands.sweep.common import Holding, specs_of
from labelbench_plus.commands.sweep.show_plan import show_dry_run, show_plan
from labelbench_plus.shown import say

if TYPE_CHECKING:
    from labelbench_plus.contracts.launchers import Launcher
    from labelbench_plus.spec import RunSpec
    from labelbench_plus.sweep.folder import Sweep, SweepRun
    from labelbench_plus.sweep.snapshot import Snapshot
    from labelbench_plus.sweep.submit import Plan, Submitted, Wanted

ASK_ABOVE_RUNS = 50
LOOK_AGAIN_SECONDS = 20.0


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a command asks for.

    Attributes
    ----------
    runs: all that are to be looked at; wanted: which of them are to be submitted; limit: at most so many.
    described: what the sweep notes of itself (`sweep.json`).
    suite: the suite's text; None if the runs are the sweep's own, which must then still mean what they meant.
    max_hours: do not submit more GPU hours than that.
    fail_fast: do not submit (more) once over this percentage of the finished runs failed in the same way.
    """

    where: Sweep
    runs: Sequence[SweepRun]
    profile: Launcher
    wanted: Wanted
    described: dict[str, Any]
    suite: bytes | None = None
    limit: int | None = None
    max_hours: float | None
    fail_fast: float
    dry_run: bool
    yes: bool
    as_json: bool


def hand_over(order: Order) -> None:
    """Plan, show, ask, and hand over."""
    from labelbench_plus.contracts.launchers import SchedulerError
    from labelbench_plus.plugins import describe
    from labelbench_plus.store.atomic import replace
    from labelbench_plus.sweep.state import State, look
    from labelbench_plus.sweep.submit import failing_alike, heal, plan, submit

    where, profile = order.where, order.profile

    def tell(line: str) -> None:
        if not order.as_json:
            say(line, flush=True)

    with Holding(where, order.dry_run):
        if not order.dry_run:
            try:
                for line in heal(where):
                    tell(line)
            except SchedulerError as error:
                stop(f"the submission before this one was interrupted, and {error}: try again later", UNREACHABLE)
        found = look(where, fresh=True, runs=order.runs)
        order.described["others_code"] = _others_code(order)
        if found.count(State.UNKNOWN):
            tell(f"{found.count(State.UNKNOWN)} runs were submitted, and no scheduler answers: they are left alone")
        busy = (State.RUNNING, State.PENDING, State.REQUEUED)
        live = {each.submission for each in found.of(*busy) if each.submission}
        nodes = {**profile.failed_nodes(where.name), **where.excluded_nodes()}
        avoiding = profile.avoiding(node for node, why in nodes.items() if why)
        copy = _snapshot(order)
        code = copy.path if copy else None
        planned = plan(where, found.runs, avoiding, order.wanted, order.limit, len(live), code)
        if order.suite is None:
            _check_ids(planned.runs, order.described)
        if not order.as_json:
            show_plan(where, found, planned, nodes)
        if planned.runs and (why := failing_alike(found.runs, order.fail_fast)):
            stop(f"nothing submitted: {why}; `--retry-failed` when it is repaired, or `--fail-fast 100`", FAILED)
        if order.dry_run:
            show_dry_run(planned, order.as_json)
            return
        if not planned.runs:
            if order.as_json:
                say(json.dumps({"submitted": 0, "jobs": []}))
            if found.count(State.UNKNOWN):
                raise typer.Exit(UNREACHABLE)
            return
        _ask(planned, order.max_hours, order.yes)
        where.folder.mkdir(parents=True, exist_ok=True)
        if order.suite is not None:
            replace(where.folder / "suite.yaml", order.suite)
        if nodes != where.excluded_nodes():
            where.set_excluded_nodes(nodes)
        if copy:
            copy.write()
        noted = {**order.described, "launcher": describe(profile)}
        replace(where.folder / "sweep.json", json.dumps(noted, indent=1).encode())
        known = {run.id for run in where.runs()}
        where.add_runs(run for run in order.runs if run.id not in known)
        if again := where.cancelled() & {run.id for run in planned.runs}:
            where.set_cancelled(where.cancelled() - again)
        done = submit(where, planned, _settings(order, planned, copy), tell, _enough(order))
    _report(order, done)


def _others_code(order: Order) -> dict[str, str]:
    """What other people's code holds now; stops where it is another than the sweep was begun with."""
    from labelbench_plus.store.others_code import changed, code_of_sweep
    from labelbench_plus.sweep.folder import SweepError

    now = code_of_sweep([Path(file) for file in order.described["plugins"]], [run.spec for run in order.runs])
    try:
        begun = order.where.settings().get("others_code", {})  # sweeps of earlier versions do not say
    except SweepError:
        begun = {}
    known = {name: held for name, held in begun.items() if name in now}  # what is left out now is asked of nobody
    if not order.described["allow_code_drift"] and (different := changed(known, now)):
        stop(
            f"changed since sweep {order.where.name!r} was submitted: {', '.join(different)}; its runs would be of two "
            "methods under one name. Put it back, raise the plugin's `version`, or say --allow-code-drift"
        )
    return now


def _settings(order: Order, planned: Plan, copy: Snapshot | None) -> dict[str, Any]:
    """What the jobs read when they start."""
    from labelbench_plus.sweep.code import code_version

    profile = order.profile
    plugins = list(map(str, copy.plugins)) if copy else order.described["plugins"]
    return {
        "root": str(order.where.root.absolute()),
        "cache": order.described["cache"],
        "plugins": plugins,
        "wandb": order.described["wandb"],
        "isolate": order.described.get("isolate"),
        "keep_models": order.described.get("keep_models", False),
        "answers": order.described.get("answers"),
        "purse": order.described.get("purse"),
        "launcher": profile.name,
        "device": profile.device,
        "concurrent": profile.concurrent,
        "cores": profile.cores,
        "time_limit": profile.time_limit,
        "notice": profile.notice,
        "expected_seconds": planned.slowest,
        "idle_attempts": profile.idle_attempts,
        "code": None
        if order.described["allow_code_drift"]
        else code_version(list(map(Path, plugins)), [run.spec for run in planned.runs]),
    }


def _report(order: Order, done: Submitted) -> None:
    where = order.where
    if order.as_json:
        refused = [run.id for run in done.refused]
        say(json.dumps({"submitted": done.runs, "jobs": done.jobs, "refused": refused, "error": done.error}))
    if done.error:
        lines = [done.error, f"{len(done.refused)} runs were not submitted:"]
        lines += [f"  {run.id}  {run.title}" for run in done.refused[:20]]
        if len(done.refused) > 20:
            lines.append(f"  ... and {len(done.refused) - 20} more")
        if done.jobs:
            lines.append(f"what did go in: {', '.join(f'{job} ({n} jobs)' for job, n in done.jobs)}")
            if order.profile.name == "slurm":
                lines.append(f"to take it back: scancel {' '.join(job for job, _ in done.jobs)}")
        say("\n".join(lines), file=sys.stderr)
        raise typer.Exit(FAILED)
    if done.interrupted:
        say(f"interrupted after {done.runs} runs; the same command resumes from here", file=sys.stderr)
        raise typer.Exit(INTERRUPTED)
    out = f" --out {where.root}" if where.root != DEFAULT_OUT else ""
    if not order.as_json:
        say(f"watch it: lbp sweep status {where.name}{out} --watch 30")


def _snapshot(order: Order) -> Snapshot | None:
    from labelbench_plus.sweep.snapshot import Snapshot, SnapshotError

    if not order.described.get("snapshot"):
        return None
    try:
        return Snapshot(order.where.folder, [Path(file) for file in order.described["plugins"]])
    except SnapshotError as error:
        stop(str(error))


def _enough(order: Order) -> Callable[[], str]:
    """Looks now and then, while batches are handed over, whether those that are in fail alike."""
    from labelbench_plus.sweep.state import look
    from labelbench_plus.sweep.submit import failing_alike

    asked = time.monotonic()

    def enough() -> str:
        nonlocal asked
        if time.monotonic() - asked < LOOK_AGAIN_SECONDS:
            return ""
        asked = time.monotonic()
        return failing_alike(look(order.where, runs=order.runs).runs, order.fail_fast)

    return enough


def _ask(planned: Plan, max_hours: float | None, yes: bool) -> None:
    hours = planned.hours if planned.hours is not None else planned.ceiling
    too_dear = max_hours is not None and (hours is None or hours > max_hours)
    if yes or not (too_dear or len(planned.runs) > ASK_ABOVE_RUNS):
        return
    if too_dear and not sys.stdin.isatty():
        words = f"{hours:.3g}" if hours is not None else "an unknown number of"
        stop(f"--max-gpu-hours {max_hours:g}: {words} hours are expected; --yes submits anyway")
    if sys.stdin.isatty() and not typer.confirm(f"submit {len(planned.runs)} runs?"):
        raise typer.Exit(FAILED)


def _check_ids(runs: Sequence[SweepRun], settings: dict[str, Any]) -> None:
    """A run must still mean what it meant when it was submitted."""
    faults = []
    specs: dict[str, RunSpec | str] = {}
    for run in runs:
        try:
            specs[run.id] = specs_of([run], settings)[0]
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
        stop("these runs cannot be continued by the code and data of now:\n" + "\n".join([*faults[:10], *more]))
