"""`lbp sweep logs`: what a run printed."""

from __future__ import annotations

import io
import json
import sys
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from labelbench_plus.commands.common import DEFAULT_OUT, INTERRUPTED, Json, stop
from labelbench_plus.commands.sweep.common import Out
from labelbench_plus.shown import say

if TYPE_CHECKING:
    from labelbench_plus.store.readable import Readable


def logs(
    run: Annotated[str, typer.Argument(help="A run's id, or its first characters (at least 4)")],
    out: Out = DEFAULT_OUT,
    attempt: Annotated[int | None, typer.Option(min=1, help="Which attempt; the latest if left out")] = None,
    job: Annotated[bool, typer.Option("--job", help="The job's output instead of the run's")] = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep printing what is added")] = False,
    tail: Annotated[int, typer.Option(min=0, help="How many of the last lines; 0 for all")] = 100,
    as_json: Json = False,
) -> None:
    """Print what a run printed.

    Examples:
      lbp sweep logs 3fa1 -f
      lbp sweep logs 3fa1 --tail 100
    """
    from labelbench_plus.store.layout import run_files, runs_named
    from labelbench_plus.store.lease import attempts
    from labelbench_plus.store.numbered import file_name
    from labelbench_plus.sweep.folder import Sweep
    from labelbench_plus.sweep.state import launcher_of, look

    if len(run) < 4:
        stop(f"{run}: give at least 4 characters of a run id")
    ids = runs_named(out, run)
    if len(ids) != 1:
        known = f"it fits {', '.join(ids[:10])}" if ids else f"no run in {out / 'runs'} begins so; was it ever started?"
        stop(f"run {run!r}: {known}")
    files = run_files(out, ids[0])
    records = attempts(files / "attempts")
    by_number = {record["number"]: record for record in records}
    if not records or (attempt is not None and attempt not in by_number):
        stop(f"run {ids[0]} has {len(records)} attempts")
    number = attempt or max(by_number)
    record = by_number[number]
    path = files / "attempts" / file_name(number, ".log")
    if job:
        if "batch" not in record:
            stop(f"attempt {number} of run {ids[0]} was not made by a sweep's job")
        where = Sweep(out, record["sweep"])
        submission = next(each for each in where.submissions() if each.id == record["batch"])
        batch = where.batch(submission.id, len(submission.tasks))
        path = launcher_of(submission).output(batch, str(submission.job), record["task"])
    if as_json:
        say(json.dumps({"run": ids[0], "attempt": number, "log": str(path), **record}))
        return
    place = f"on {record.get('node', record['host'])}" + (f", job {record['job']}" if record.get("job") else "")
    ended = f"{record['ended']}: {record['detail']}" if record.get("detail") else record.get("ended", "not ended")
    if record.get("ended") in (None, "stopped") and "batch" in record and number == max(by_number):
        where = Sweep(out, record["sweep"])
        (now,) = look(where, runs=[each for each in where.runs() if each.id == ids[0]]).runs
        ended += f"; now {now.state}" + (f": {now.note}" if now.note else "")
    say(f"run {ids[0]}, attempt {number} of {max(by_number)} {place}: {ended}\n{path}", file=sys.stderr)
    _print_file(path, tail, follow)


def _print_file(path: Readable, tail: int, follow: bool) -> None:
    try:
        with _opened(path) as file:
            lines = file.readlines()
            say("".join(lines[-tail:] if tail else lines), end="", flush=follow)
            while follow:
                say(file.read(), end="", flush=True)
                time.sleep(1)
    except FileNotFoundError:
        say("(it printed nothing, or its log was pruned)", file=sys.stderr)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def _opened(path: Readable) -> IO[str]:
    if isinstance(path, Path):
        return open(path, errors="replace")
    return io.TextIOWrapper(io.BytesIO(path.read_bytes()), errors="replace")
