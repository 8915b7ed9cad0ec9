"""What a submission would do, in words."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from labelbench_plus.shown import counted, say

if TYPE_CHECKING:
    from labelbench_plus.contracts.launchers import Launcher
    from labelbench_plus.sweep.folder import Sweep
    from labelbench_plus.sweep.state import SweepStatus
    from labelbench_plus.sweep.submit import Plan


def show_plan(where: Sweep, found: SweepStatus, planned: Plan, nodes: Mapping[str, str | None]) -> None:
    """Print what would be submitted, what would not and why, and what it costs."""
    counts = Counter(each.state for each in found.runs)
    told = ", ".join(f"{number} {state.lower()}" for state, number in sorted(counts.items(), key=lambda item: -item[1]))
    say(f"{where.name}: {len(found.runs)} runs ({told})")
    reasons = Counter(why.splitlines()[0] for _, why in planned.skipped)
    for why, number in reasons.most_common():
        say(f"  skipped: {number} {why}")
    if planned.waiting:
        say(f"  waiting: {len(planned.waiting)}, for which the scheduler has no room now; submit again later")
    if not planned.runs:
        say("nothing to submit: 0 new")
        return
    launcher = planned.launcher
    per_job = [counted(launcher.gpus_per_job, "GPU")] if launcher.gpus_per_job else []
    per_job += [f"at most {launcher.time_limit // 60} min"] if launcher.time_limit else []
    together = f", {launcher.concurrent} at a time" if launcher.concurrent > 1 else ""
    shape = counted(planned.jobs, "job")
    shape += f" in {counted(len(planned.batches), 'batch')}" if len(planned.batches) > 1 else ""
    say(f"  to submit: {counted(len(planned.runs), 'run')} as {shape}{together} to {launcher.name!r}"
          + (f" ({', '.join(per_job)} each)" if per_job else ""))  # fmt: skip
    if planned.hours is not None:
        words = f"about {in_hours(planned.hours, launcher)}, judged by finished runs"
    else:
        words = "unknown, as no run is done yet"
    if planned.ceiling is not None:
        words += f"; at most {in_hours(planned.ceiling, launcher)} if every job used its time limit once"
    say(f"  cost: {words}")
    for node, died in nodes.items():
        if died:
            say(f"  excluded: node {node}, {died}; make that null in the sweep's nodes_excluded.json to use it again")
    for note in planned.limits.notes:
        say(f"  scheduler: {note}")


def in_hours(hours: float, launcher: Launcher) -> str:
    """`6 GPU hours`, or `1 hour of jobs` where they take no GPU."""
    amount = "less than 0.01" if hours < 0.01 else f"{hours:.3g}"
    unit = "hour" if amount == "1" else "hours"
    return f"{amount} GPU {unit}" if launcher.gpus_per_job else f"{amount} {unit} of jobs"


def show_dry_run(planned: Plan, as_json: bool) -> None:
    """Print the first job script and what would be done with each run."""
    script = planned.launcher.script(planned.batches[0][0], planned.parallel[0]) if planned.batches else ""
    lines = [(run, "submit") for run in planned.runs] + [(run, "wait") for run in planned.waiting]
    lines += [(each.run, f"skip({why.splitlines()[0]})") for each, why in planned.skipped]
    if as_json:
        runs = [{"run": run.id, "title": run.title, "action": action} for run, action in lines]
        say(json.dumps({"script": script, "batches": [b.tasks for b, _ in planned.batches], "runs": runs}))
        return
    if script:
        say(f"\n{script}")
    for run, action in lines:
        say(f"{run.id}  {run.problem}  {run.trainer}  {run.strategy}  {run.seed}  {action}")
    say("nothing submitted")
