"""`lbp sweep`: submit, status, resume, cancel, logs, collect, prune, doctor."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer

if TYPE_CHECKING:
    from labelbench_plus.launchers import Launcher
    from labelbench_plus.spec import RunSpec
    from labelbench_plus.sweep.folder import Sweep, SweepRun
    from labelbench_plus.sweep.state import RunStatus, SweepStatus
    from labelbench_plus.sweep.submit import Plan, Wanted

FAILED, USAGE, HELD, UNREACHABLE, INTERRUPTED = 1, 2, 3, 4, 130
ASK_ABOVE_RUNS = 50
DEFAULT_OUT = Path("outputs")

sweep = typer.Typer(
    help="Hand a suite's runs to a cluster or to this machine's background, and see what becomes of them.",
    no_args_is_help=True,
)

Name = Annotated[str, typer.Argument(help="A sweep's name: its suite's")]
Out = Annotated[Path, typer.Option("--out", help="Where runs and sweeps are kept")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object for programs")]
LauncherOption = Annotated[
    str, typer.Option("--launcher", "-l", help="`local`, or a profile such as slurm/gpu_cluster.yaml")
]
Set = Annotated[list[str] | None, typer.Option("--set", help="Override the launcher's settings, e.g. --set time=2h")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask")]
MaxHours = Annotated[float | None, typer.Option(help="Stop if more GPU hours are expected")]
Drift = Annotated[bool, typer.Option("--allow-code-drift", help="Let jobs run whatever code they find at their start")]


@sweep.command()
def submit(
    suite: Annotated[Path, typer.Argument(help="A suite file, e.g. benchmarks/suites/digits.yaml")],
    overrides: Annotated[list[str] | None, typer.Argument(help="dotted.path=value, e.g. seeds=0..9")] = None,
    launcher: LauncherOption = "local",
    settings: Set = None,
    out: Out = DEFAULT_OUT,
    plugin: Annotated[list[Path] | None, typer.Option("--plugin", help="A Python file that registers plugins")] = None,
    wandb: Annotated[Literal["disabled", "offline", "online"], typer.Option(help="Mirror runs to W&B")] = "disabled",
    only: Annotated[list[str] | None, typer.Option(help="Only some runs, e.g. --only strategy=badge")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many runs")] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Also runs that failed")] = False,
    max_parallel: Annotated[int | None, typer.Option(min=1, help="At most so many jobs at a time")] = None,
    max_gpu_hours: MaxHours = None,
    allow_code_drift: Drift = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Submit every run of a suite that is not done, running or waiting; return at once.

    Example: lbp sweep submit benchmarks/suites/digits.yaml -l slurm/gpu_cluster.yaml --set time=2h
    """
    from labelbench_plus.data.feature_cache import default_cache_dir
    from labelbench_plus.plugins import PluginError, load_plugin_file
    from labelbench_plus.suite import SuiteError, load_suite
    from labelbench_plus.sweep.folder import Sweep
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
        _stop(str(error), USAGE)
    specs = loaded.runs()
    runs = [_as_sweep_run(spec) for spec in specs]
    filters = _filters(only)
    where = Sweep(out, loaded.suite)
    text = suite.read_bytes()
    described = {
        "suite": loaded.suite,
        "plugins": [str(file.resolve()) for file in plugin or ()],
        "wandb": wandb,
        "cache": str(Path(default_cache_dir()).absolute()),
        "allow_code_drift": allow_code_drift,
    }

    def wanted(each: RunStatus) -> bool:
        chosen = new_only(each) or (retry_failed and each.state is State.FAILED)
        return chosen and all(getattr(each.run, key) == value for key, value in filters)

    _submit(where, runs, profile, wanted, described, text, limit, max_gpu_hours, dry_run, yes, as_json)


@sweep.command()
def resume(
    name: Name,
    launcher: Annotated[str | None, typer.Option("--launcher", "-l", help="Another launcher or profile")] = None,
    settings: Set = None,
    out: Out = DEFAULT_OUT,
    run: Annotated[list[str] | None, typer.Option(help="Only this run; may be repeated")] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Also runs that would fail again if nothing was changed")
    ] = False,
    cancelled: Annotated[bool, typer.Option("--cancelled", help="Also runs that were cancelled")] = False,
    max_gpu_hours: MaxHours = None,
    allow_code_drift: Drift = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Submit again what was lost, what failed through no fault of its own, and what was given back.

    Every run goes on from its last committed round. With nothing to do, nothing is done.

    Example: lbp sweep resume digits --retry-failed --set time=8h
    """
    from labelbench_plus.plugins import PluginError, load_plugin_file, registry
    from labelbench_plus.sweep.profile import ProfileError, load_profile
    from labelbench_plus.sweep.state import State
    from labelbench_plus.sweep.submit import unfinished

    where = _open(out, name)
    kept = where.settings()
    try:
        for file in kept["plugins"]:
            load_plugin_file(Path(file))
        if launcher:
            profile = load_profile(launcher, {}, settings or ())
        elif settings:
            changed = {kept["launcher"]["name"]: {k: v for k, v in kept["launcher"].items() if k not in HEADER}}
            profile = load_profile(kept["launcher"]["name"], changed, settings)
        else:
            profile = registry("launchers").build(kept["launcher"])
    except (PluginError, ProfileError) as error:
        _stop(str(error), USAGE)
    runs = where.runs()
    chosen = {_one_of(runs, each).id for each in run or ()}

    def wanted(each: RunStatus) -> bool:
        if chosen and each.run.id not in chosen:
            return False
        more = (retry_failed and each.state is State.FAILED) or (cancelled and each.state is State.CANCELLED)
        return unfinished(each) or more

    described = {**kept, "allow_code_drift": kept["allow_code_drift"] or allow_code_drift}
    _submit(where, runs, profile, wanted, described, None, None, max_gpu_hours, dry_run, yes, as_json, check_ids=True)


@sweep.command()
def status(
    name: Annotated[str | None, typer.Argument(help="A sweep's name; all of them if left out")] = None,
    out: Out = DEFAULT_OUT,
    failed: Annotated[bool, typer.Option("--failed", help="Only what failed, in full")] = False,
    runs: Annotated[bool, typer.Option("--runs", help="One line for each run")] = False,
    group_by: Annotated[str, typer.Option(help="Rows and columns of the table")] = "strategy,problem",
    watch: Annotated[
        int | None, typer.Option(min=1, help="Look again every so many seconds, until all is over")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Ask the scheduler even if it was asked just now")] = False,
    as_json: Json = False,
) -> None:
    """Say what has become of every run. Exit code 1 if one failed.

    Example: lbp sweep status digits --watch 60
    """
    from labelbench_plus.sweep.folder import SweepError
    from labelbench_plus.sweep.report import as_plain, print_failures, print_runs, print_status, watch_status
    from labelbench_plus.sweep.state import State, look

    names = [name] if name else sorted(path.parent.name for path in (out / "sweeps").glob("*/sweep.json"))
    if not names:
        _stop(f"no sweep in {out}; submit one: lbp sweep submit SUITE.yaml", USAGE)
    rows = tuple(part.strip() for part in group_by.split(","))
    if set(rows) - set(KEYS) or not 1 <= len(rows) <= 2:
        _stop(f"--group-by {group_by}: one or two of {', '.join(KEYS)}", USAGE)
    bad = False
    everything = []
    for each in names:
        where = _open(out, each)
        if watch and not as_json:
            try:
                found = watch_status(lambda where=where: look(where, fresh=True), rows, watch)  # type: ignore[misc]
            except KeyboardInterrupt:
                raise typer.Exit(INTERRUPTED) from None
        else:
            try:
                found = look(where, fresh=fresh)
            except SweepError as error:
                _stop(str(error), USAGE)
            if as_json:
                everything.append(as_plain(found))
            elif runs:
                print_runs(found)
            elif not failed:
                print_status(found, rows)
        if not as_json:
            print_failures(found, where, full=failed)
        bad = bad or found.count(State.FAILED, State.INVALID) > 0
    if as_json:
        print(json.dumps(everything[0] if name else everything))
    if bad:
        raise typer.Exit(FAILED)


@sweep.command()
def cancel(
    name: Name,
    out: Out = DEFAULT_OUT,
    run: Annotated[list[str] | None, typer.Option(help="Only this run; may be repeated")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Only some runs, e.g. --only strategy=badge")] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """End a sweep, or some of its runs, for good. Committed rounds are kept.

    Example: lbp sweep cancel digits --only strategy=badge
    """
    from labelbench_plus.launchers import SchedulerError
    from labelbench_plus.sweep.state import State, launcher_of, look
    from labelbench_plus.sweep.submit import heal

    where = _open(out, name)
    filters = _filters(only)
    with _Holding(where, dry_run):
        runs = where.runs()
        chosen = {_one_of(runs, each).id for each in run or ()}
        problems: list[str] = []
        if not dry_run:
            try:
                heal(where)
            except SchedulerError as error:
                problems.append(str(error))
        found = look(where, fresh=True)
        hit = [
            each
            for each in found.runs
            if each.state is not State.DONE
            and (not chosen or each.run.id in chosen)
            and all(getattr(each.run, key) == value for key, value in filters)
        ]
        before = where.cancelled()
        new = [each for each in hit if each.run.id not in before]
        gone = before | {each.run.id for each in hit}
        if not dry_run:
            where.set_cancelled(gone)  # first: a job that is put back in the queue at this very moment finds it there
        settled = gone | {each.run.id for each in found.of(State.DONE)}
        ended = []
        for submission in where.submissions():
            open_tasks = [
                n for n, task in enumerate(submission.tasks) if not settled.issuperset(task) or gone & set(task)
            ]
            over = [n for n in open_tasks if settled.issuperset(submission.tasks[n])]
            if submission.job is None or not over:
                continue
            whole = len(over) == len(submission.tasks)
            ended.append(f"{submission.job}: {'all' if whole else len(over)} of {len(submission.tasks)} jobs")
            if dry_run:
                continue
            try:
                launcher_of(submission).cancel(submission.job, None if whole else over)
            except SchedulerError as error:
                problems.append(str(error))
    verb = "would be cancelled" if dry_run else "cancelled"
    if as_json:
        print(json.dumps({"cancelled": [each.run.id for each in new], "jobs": ended, "problems": problems}))
    else:
        print(f"{len(new)} runs {verb}" + (f", {len(gone) - len(new)} were already" if len(gone) > len(new) else ""))
        for line in ended:
            print(f"  job {line}")
        for line in problems:
            print(
                f"could not be cancelled: {line}; its jobs will find the cancellation when they look", file=sys.stderr
            )
    if problems:
        raise typer.Exit(UNREACHABLE)


@sweep.command()
def logs(
    run: Annotated[str, typer.Argument(help="A run id, or its beginning (at least 4 characters)")],
    out: Out = DEFAULT_OUT,
    attempt: Annotated[int | None, typer.Option(min=1, help="Which attempt; the latest if left out")] = None,
    job: Annotated[bool, typer.Option("--job", help="What the job printed, rather than the run")] = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on printing what is added")] = False,
    tail: Annotated[int, typer.Option(min=0, help="So many last lines; 0 for all")] = 100,
    as_json: Json = False,
) -> None:
    """Print what a run printed.

    Example: lbp sweep logs 3fa1 -f
    """
    from labelbench_plus.store.layout import run_folder
    from labelbench_plus.store.lease import attempts
    from labelbench_plus.sweep.folder import Sweep
    from labelbench_plus.sweep.state import launcher_of

    if len(run) < 4:
        _stop(f"{run}: give at least 4 characters of a run id", USAGE)
    ids = sorted(path.name for path in (out / "runs").glob(f"{run}*"))
    if len(ids) != 1:
        known = f"it fits {', '.join(ids[:10])}" if ids else f"no run in {out / 'runs'} begins so; was it ever started?"
        _stop(f"run {run!r}: {known}", USAGE)
    folder = run_folder(out, ids[0])
    records = attempts(folder / "attempts")
    if not records or (attempt or 1) > len(records):
        _stop(f"run {ids[0]} has {len(records)} attempts", USAGE)
    number = attempt or len(records)
    record = records[number - 1]
    path = folder / "attempts" / f"{number:04d}.log"
    if job:
        if "batch" not in record:
            _stop(f"attempt {number} of run {ids[0]} was not made by a sweep's job", USAGE)
        where = Sweep(out, record["sweep"])
        submission = next(each for each in where.submissions() if each.id == record["batch"])
        batch = _batch_of(where, submission.id, len(submission.tasks))
        path = launcher_of(submission).output(batch, str(submission.job), record["task"])
    if as_json:
        print(json.dumps({"run": ids[0], "attempt": number, "log": str(path), **record}))
        return
    place = f"on {record.get('node', record['host'])}" + (f", job {record['job']}" if record.get("job") else "")
    ended = f"{record['ended']}: {record['detail']}" if record.get("detail") else record.get("ended", "not ended")
    print(f"run {ids[0]}, attempt {number} of {len(records)} {place}: {ended}\n{path}", file=sys.stderr)
    _print_file(path, tail, follow)


@sweep.command()
def collect(
    names: Annotated[list[str], typer.Argument(help="Sweeps")],
    out: Out = DEFAULT_OUT,
    to: Annotated[Path, typer.Option("--to", help="A .parquet or .csv file")] = Path("results.parquet"),
    partial: Annotated[bool, typer.Option("--partial", help="Also curves of runs that are not done")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit code 1 if a run is missing or invalid")] = False,
    as_json: Json = False,
) -> None:
    """Read every round of some sweeps, check them, and write them as one table. Safe while jobs run.

    The same rounds give the same bytes, whatever the order in which they came about.

    Example: lbp sweep collect digits --partial --to digits.parquet
    """
    import pandas as pd

    from labelbench_plus.plugins import load_plugin_file
    from labelbench_plus.store.atomic import replace
    from labelbench_plus.store.collect import collect as read

    tables, missing, invalid, total = [], list[str](), list[str](), 0
    for name in names:
        where = _open(out, name)
        for file in where.settings()["plugins"]:
            load_plugin_file(Path(file))
        specs = _specs(where.runs())
        found = read(name, specs, out)
        total += len(specs)
        invalid += found.invalid
        whole = set(found.curves[found.curves["complete"]]["run_id"]) if len(found.curves) else set()
        broken = {line.partition(" ")[0] for line in found.invalid}
        missing += [f"{spec.id} ({spec})" for spec in specs if spec.id not in whole | broken]
        if len(found.curves):
            tables.append(found.curves if partial else found.curves[found.curves["complete"]])
    table = pd.concat(tables) if tables else pd.DataFrame()
    if len(table):
        table = table.sort_values(["suite", "problem", "trainer", "strategy", "seed", "run_id", "round"])
        table = table.reset_index(drop=True)
    content = table.to_csv(index=False).encode() if to.suffix == ".csv" else table.to_parquet(None, index=False)
    to.parent.mkdir(parents=True, exist_ok=True)
    replace(to, content)
    runs = table["run_id"].nunique() if len(table) else 0
    if as_json:
        print(json.dumps({"runs": runs, "rows": len(table), "of": total, "missing": missing, "invalid": invalid}))
    else:
        print(
            f"{to}: {len(table)} rounds of {runs} runs; {total - len(missing) - len(invalid)} of {total} are complete"
        )
        for title, lines in (("missing or not done", missing), ("invalid", invalid)):
            if lines:
                print(f"{len(lines)} of {total} {title}:")
                print("".join(f"  {line}\n" for line in lines[:10]), end="")
                if len(lines) > 10:
                    print(f"  ... and {len(lines) - 10} more")
    if strict and (missing or invalid):
        raise typer.Exit(FAILED)


@sweep.command()
def prune(name: Name, out: Out = DEFAULT_OUT, dry_run: DryRun = False) -> None:
    """Remove what a finished sweep no longer needs: its batches' payloads and what jobs and finished runs printed.

    Runs that are not done keep everything; committed rounds are never touched.

    Example: lbp sweep prune digits
    """
    from labelbench_plus.store.layout import run_folder
    from labelbench_plus.sweep.state import State, look

    where = _open(out, name)
    with _Holding(where, dry_run):
        found = look(where, fresh=True)
        done = {each.run.id for each in found.of(State.DONE)}
        doomed: list[Path] = [
            path for run in sorted(done) for path in (run_folder(out, run) / "attempts").glob("[0-9]*.log")
        ]
        for submission in where.submissions():
            if submission.void or done.issuperset(run for task in submission.tasks for run in task):
                doomed += [where.batch_path(submission.id), where.jobs_folder(submission.id)]
                doomed.append(where.folder / "tasks" / submission.id)
        doomed = [path for path in doomed if path.exists()]
        files = [file for path in doomed for file in ([path] if path.is_file() else path.rglob("*"))]
        size = sum(file.lstat().st_size for file in files)
        if not dry_run:
            for path in doomed:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    print(f"{len(files)} files, {size / 1e6:.1f} MB {'would be ' if dry_run else ''}removed")


@sweep.command()
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
        _stop(str(error), USAGE)
    found = [*profile.doctor(), *check_files(out)]
    if as_json:
        print(json.dumps([{"check": what, "ok": well, "found": words} for what, well, words in found]))
    else:
        width = max(len(what) for what, _, _ in found)
        for what, well, words in found:
            print(f"{ {True: 'ok  ', False: 'BAD ', None: 'note'}[well] }  {what:<{width}}  {words}")
    if any(well is False for _, well, _ in found):
        raise typer.Exit(FAILED)


KEYS = ("problem", "trainer", "strategy", "seed")
HEADER = ("name", "version")


def _submit(
    where: Sweep,
    runs: Sequence[SweepRun],
    profile: Launcher,
    wanted: Wanted,
    described: dict[str, Any],
    suite: bytes | None,
    limit: int | None,
    max_hours: float | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    check_ids: bool = False,
) -> None:
    """What `submit` and `resume` have in common: plan, show, ask, do."""
    from labelbench_plus.launchers import SchedulerError
    from labelbench_plus.plugins import describe
    from labelbench_plus.store.atomic import replace
    from labelbench_plus.sweep.code import code_version
    from labelbench_plus.sweep.state import State, look
    from labelbench_plus.sweep.submit import heal, plan, submit

    def say(line: str) -> None:
        if not as_json:
            print(line, flush=True)

    with _Holding(where, dry_run):
        if not dry_run:
            try:
                for line in heal(where):
                    say(line)
            except SchedulerError as error:
                _stop(f"the submission before this one was interrupted, and {error}: try again later", UNREACHABLE)
        found = look(where, fresh=True, runs=runs)
        if found.count(State.UNKNOWN):
            say(f"{found.count(State.UNKNOWN)} runs were submitted, and no scheduler answers: they are left alone")
        busy = (State.RUNNING, State.PENDING, State.REQUEUED)
        live = {each.submission for each in found.of(*busy) if each.submission}
        planned = plan(where, found.runs, profile, wanted, limit, len(live))
        if check_ids:
            _check_ids(planned.runs)
        if not as_json:
            _show_plan(where, found, planned)
        if dry_run:
            _show_dry_run(planned, as_json)
            return
        if not planned.runs:
            if as_json:
                print(json.dumps({"submitted": 0, "jobs": []}))
            if found.count(State.UNKNOWN):
                raise typer.Exit(UNREACHABLE)
            return
        _ask(planned, max_hours, yes)
        where.folder.mkdir(parents=True, exist_ok=True)
        if suite is not None:
            replace(where.folder / "suite.yaml", suite)
        replace(
            where.folder / "sweep.json", json.dumps({**described, "launcher": describe(profile)}, indent=1).encode()
        )
        known = {run.id for run in where.runs()}
        where.add_runs(run for run in runs if run.id not in known)
        if again := where.cancelled() & {run.id for run in planned.runs}:
            where.set_cancelled(where.cancelled() - again)
        settings = {
            "root": str(where.root.absolute()),
            "cache": described["cache"],
            "plugins": described["plugins"],
            "wandb": described["wandb"],
            "launcher": profile.name,
            "device": profile.device,
            "concurrent": profile.concurrent,
            "time_limit": profile.time_limit,
            "notice": profile.notice,
            "expected_seconds": planned.slowest,
            "idle_attempts": profile.idle_attempts,
            "code": None if described["allow_code_drift"] else code_version(),
        }
        done = submit(where, planned, settings, say)
    if as_json:
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


class _Holding:
    """Holds a sweep against other submitters while something is changed; a dry run holds nothing."""

    def __init__(self, where: Sweep, dry_run: bool) -> None:
        self._where, self._dry_run = where, dry_run

    def __enter__(self) -> None:
        from labelbench_plus.store.lease import RunBusy

        if self._dry_run:
            return
        try:
            self._lease = self._where.hold()
        except RunBusy as error:
            _stop(f"sweep {self._where.name}: {error}", HELD)
        except OSError as error:
            _stop(f"{self._where.folder}: cannot be written to: {error.strerror}", USAGE)

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        if not self._dry_run:
            self._lease.release("finished" if kind is None else "stopped")


def _show_plan(where: Sweep, found: SweepStatus, planned: Plan) -> None:
    counts = Counter(each.state for each in found.runs)
    told = ", ".join(f"{number} {state.lower()}" for state, number in sorted(counts.items(), key=lambda item: -item[1]))
    print(f"{where.name}: {len(found.runs)} runs ({told})")
    reasons = Counter(why.splitlines()[0] for _, why in planned.skipped)
    for why, number in reasons.most_common():
        print(f"  skipped: {number} {why}")
    if planned.waiting:
        print(f"  waiting: {len(planned.waiting)}, for which the scheduler has no room now; submit again later")
    if not planned.runs:
        print("nothing to submit: 0 new")
        return
    launcher = planned.launcher
    per_job = [f"{launcher.gpus_per_job} GPUs"] if launcher.gpus_per_job else []
    per_job += [f"at most {launcher.time_limit // 60} min"] if launcher.time_limit else []
    together = f", {launcher.concurrent} at a time" if launcher.concurrent > 1 else ""
    shape = f"{planned.jobs} jobs in {len(planned.batches)} batches" if planned.jobs > 1 else "1 job"
    print(f"  to submit: {len(planned.runs)} runs as {shape}{together} to {launcher.name!r}"
          + (f" ({', '.join(per_job)} each)" if per_job else ""))  # fmt: skip
    unit = "GPU hours" if launcher.gpus_per_job else "hours of jobs"
    if planned.hours is not None:
        words = f"about {planned.hours:.2g} {unit}, judged by finished runs"
    else:
        words = "unknown, as no run is done yet"
    if planned.ceiling is not None:
        words += f"; at most {planned.ceiling:.3g} {unit} if every job used its time limit once"
    print(f"  cost: {words}")
    for note in planned.limits.notes:
        print(f"  scheduler: {note}")


def _show_dry_run(planned: Plan, as_json: bool) -> None:
    script = planned.launcher.script(planned.batches[0][0], planned.parallel[0]) if planned.batches else ""
    lines = [(run, "submit") for run in planned.runs] + [(run, "wait") for run in planned.waiting]
    lines += [(each.run, f"skip({why.splitlines()[0]})") for each, why in planned.skipped]
    if as_json:
        runs = [{"run": run.id, "title": run.title, "action": action} for run, action in lines]
        print(json.dumps({"script": script, "batches": [b.tasks for b, _ in planned.batches], "runs": runs}))
        return
    if script:
        print(f"\n{script}")
    for run, action in lines:
        print(f"{run.id}  {run.problem}  {run.trainer}  {run.strategy}  {run.seed}  {action}")
    print("nothing submitted")


def _ask(planned: Plan, max_hours: float | None, yes: bool) -> None:
    hours = planned.hours if planned.hours is not None else planned.ceiling
    too_dear = max_hours is not None and (hours is None or hours > max_hours)
    if yes or not (too_dear or len(planned.runs) > ASK_ABOVE_RUNS):
        return
    if too_dear and not sys.stdin.isatty():
        words = f"{hours:.3g}" if hours is not None else "an unknown number of"
        _stop(f"--max-gpu-hours {max_hours:g}: {words} hours are expected; --yes submits all the same", USAGE)
    if sys.stdin.isatty() and not typer.confirm(f"submit {len(planned.runs)} runs?"):
        raise typer.Exit(FAILED)


def _check_ids(runs: Sequence[SweepRun]) -> None:
    """A run must still mean what it meant when it was submitted."""
    faults = []
    specs: dict[str, RunSpec | str] = {}
    for run in runs:
        try:
            specs[run.id] = _specs([run])[0]
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
        _stop("these runs cannot be continued by the code and data of now:\n" + "\n".join([*faults[:10], *more]), USAGE)


def _specs(runs: Sequence[SweepRun]) -> list[RunSpec]:
    from labelbench_plus.spec import RunSpec

    return [RunSpec.from_json(run.spec) for run in runs]


def _as_sweep_run(spec: RunSpec) -> SweepRun:
    from labelbench_plus.plugins import label
    from labelbench_plus.sweep.folder import SweepRun

    return SweepRun(
        id=spec.id,
        problem=label(spec.problem),
        trainer=label(spec.trainer),
        strategy=label(spec.strategy),
        seed=spec.seed,
        rounds=len(spec.amounts),
        spec=spec.as_json(),
    )


def _open(out: Path, name: str) -> Sweep:
    from labelbench_plus.sweep.folder import Sweep, SweepError

    where = Sweep(out, name)
    try:
        where.settings()
    except SweepError as error:
        _stop(str(error), USAGE)
    return where


def _filters(only: Sequence[str] | None) -> list[tuple[str, Any]]:
    found = []
    for each in only or ():
        key, equals, value = each.partition("=")
        if not equals or key not in KEYS:
            _stop(f"--only {each}: expected one of {', '.join(f'{key}=...' for key in KEYS)}", USAGE)
        found.append((key, int(value) if key == "seed" and value.isdigit() else value))
    return found


def _one_of(runs: Sequence[SweepRun], prefix: str) -> SweepRun:
    fits = [run for run in runs if run.id.startswith(prefix)]
    if len(fits) != 1:
        _stop(f"--run {prefix}: fits {len(fits)} runs of the sweep", USAGE)
    return fits[0]


def _batch_of(where: Sweep, name: str, tasks: int) -> Any:
    from labelbench_plus.launchers import Batch

    return Batch(where.name, name, tasks, where.batch_path(name).absolute(), where.jobs_folder(name).absolute())


def _print_file(path: Path, tail: int, follow: bool) -> None:
    try:
        with open(path, errors="replace") as file:
            lines = file.readlines()
            sys.stdout.writelines(lines[-tail:] if tail else lines)
            while follow:
                sys.stdout.write(file.read())
                sys.stdout.flush()
                time.sleep(1)
    except FileNotFoundError:
        print("(it printed nothing, or its log was pruned)", file=sys.stderr)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def _stop(message: str, code: int) -> NoReturn:
    print(message, file=sys.stderr)
    raise typer.Exit(code)
