"""What the commands on sweeps share: options, finding a sweep and its runs, keeping others out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelbench_plus.commands.common import HELD, load_plugins, stop

if TYPE_CHECKING:
    from labelbench_plus.spec import RunSpec
    from labelbench_plus.sweep.folder import Sweep, SweepRun

KEYS = ("problem", "trainer", "strategy", "seed")

Name = Annotated[str, typer.Argument(help="A sweep's name: its suite's")]
Out = Annotated[Path, typer.Option("--out", help="Folder for runs and sweeps")]
LauncherOption = Annotated[
    str, typer.Option("--launcher", "-l", help="`local`, or a profile such as slurm/gpu_cluster.yaml")
]
Set = Annotated[list[str] | None, typer.Option("--set", help="Override the launcher's settings, e.g. --set time=2h")]
Only = Annotated[list[str] | None, typer.Option(help="Only matching runs, e.g. --only strategy=badge")]
OneRun = Annotated[list[str] | None, typer.Option(help="Only this run; may be repeated")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, without doing it")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask")]
MaxHours = Annotated[float | None, typer.Option(help="Refuse to submit if more GPU hours are expected")]
FailFast = Annotated[
    float,
    typer.Option(
        min=0,
        max=100,
        help="Stop submitting once more than this percentage of at least 10 finished runs failed in the same way",
    ),
]
Snap = Annotated[
    bool, typer.Option("--snapshot", help="Run jobs from a copy of the current code, including plugin files")
]
Drift = Annotated[bool, typer.Option("--allow-code-drift", help="Let jobs run whatever code they find when they start")]


class Holding:
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
            stop(f"sweep {self._where.name}: {error}", HELD)
        except OSError as error:
            stop(f"{self._where.folder}: cannot be written to: {error.strerror}")

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        if not self._dry_run:
            self._lease.release("finished" if kind is None else "stopped")


def open_sweep(out: Path, name: str) -> Sweep:
    from labelbench_plus.sweep.folder import Sweep, SweepError

    where = Sweep(out, name)
    try:
        where.settings()
    except SweepError as error:
        stop(str(error))
    return where


def filters_of(only: Sequence[str] | None) -> list[tuple[str, Any]]:
    found = []
    for each in only or ():
        key, equals, value = each.partition("=")
        if not equals or key not in KEYS:
            stop(f"--only {each}: expected one of {', '.join(f'{key}=...' for key in KEYS)}")
        found.append((key, int(value) if key == "seed" and value.isdigit() else value))
    return found


def one_of(runs: Sequence[SweepRun], prefix: str) -> SweepRun:
    fits = [run for run in runs if run.id.startswith(prefix)]
    if len(fits) != 1:
        stop(f"--run {prefix}: fits {len(fits)} runs of the sweep")
    return fits[0]


def specs_of(runs: Sequence[SweepRun], settings: Mapping[str, Any]) -> list[RunSpec]:
    """The runs, built from what the sweep noted of them.

    Its plugin files are loaded, unless it isolates strategies: then strangers' are what was reported of them.

    Parameters
    ----------
    settings: of the sweep.
    """
    from labelbench_plus.isolation.reported import Pinned
    from labelbench_plus.spec import RunSpec

    isolated = settings.get("isolate") is not None
    if not isolated:
        load_plugins(map(Path, settings["plugins"]))
    return [RunSpec.from_json(run.spec, Pinned(run.reports) if isolated else None) for run in runs]
