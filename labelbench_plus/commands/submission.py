"""`lbp submission`: pack results to send in, check what was sent, do parts of it again."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labelbench_plus.commands.common import FAILED, Allow, Group, Json, Plugins, load_plugins, load_runs, stop
from labelbench_plus.shown import say

if TYPE_CHECKING:
    from labelbench_plus.contracts.problems import Place
    from labelbench_plus.leaderboard.badges import Again
    from labelbench_plus.submission.findings import Finding
    from labelbench_plus.submission.limited_check import Told

submission = typer.Typer(
    cls=Group, help="Send results in: pack runs, check a submission, replay parts of it.", no_args_is_help=True
)

Bundle = Annotated[Path, typer.Argument(help="A submission's folder, e.g. results/mine")]
Against = Annotated[
    list[Path] | None,
    typer.Option("--against", help="Published results that have the baseline, if the submission does not"),
]
Seconds = Annotated[float, typer.Option(min=1, help="Time limit in seconds, after imports")]
Megabytes = Annotated[int, typer.Option(min=50, help="Memory limit in MB, beyond imports")]
SECONDS, MEGABYTES = 6.0, 200  # those of `limited.Limits`, which is not imported before it is needed
Record = Annotated[bool, typer.Option("--record", help="Write the earned badges to badges.json beside the archive")]


@submission.command("pack")
def pack_command(
    suite: Annotated[Path, typer.Argument(help="The suite that was run")],
    to: Annotated[Path, typer.Option("--out", help="The folder to write")],
    who: Annotated[str, typer.Option(help="Who submits")],
    contact: Annotated[str, typer.Option(help="An email or web address")],
    what: Annotated[str, typer.Option(help="What was run and why, in a sentence")],
    runs: Annotated[
        list[str] | None,
        typer.Argument(help="Only these runs (ids, or their first characters), and overrides such as seeds=0..4"),
    ] = None,
    difference: Annotated[
        list[str] | None, typer.Option(help="What differs from the benchmark as published; may be repeated")
    ] = None,
    runs_in: Annotated[Path, typer.Option("--runs", help="Where the runs are")] = Path("outputs"),
    plugin: Plugins = None,
    details: Annotated[
        bool, typer.Option("--details", help="Also pack what evaluations reported beyond scores")
    ] = False,
) -> None:
    """Pack finished runs of a suite into a folder to submit by pull request.

    Examples:
      lbp submission pack digits.yaml --out results/mine --who "A. Name" --contact a@b.org --what "margin, again"
      lbp submission pack digits --out results/mine --who "A. Name" --contact a@b.org --what "margin" --runs outputs
    """
    from pydantic import ValidationError

    from labelbench_plus.faults import worded
    from labelbench_plus.store.run_store import StoreError
    from labelbench_plus.submission.pack import Undeclared, pack

    overrides, ids = [each for each in runs or () if "=" in each], [each for each in runs or () if "=" not in each]
    loaded, specs = load_runs(suite, overrides, plugin, runs_in)
    as_written = [each for each in overrides if not each.startswith("seeds")]
    planned, _ = load_runs(suite, as_written, plugin, runs_in) if as_written != overrides else (loaded, specs)
    for prefix in ids:
        if (fits := sum(spec.id.startswith(prefix) for spec in specs)) != 1:
            stop(f"run {prefix}: fits {fits} runs of {loaded.suite}")
    chosen = [spec for spec in specs if not ids or any(spec.id.startswith(prefix) for prefix in ids)]
    try:
        count = pack(
            loaded, chosen, runs_in, to, who=who, contact=contact, what=what, differences=difference or (),
            planned=planned, details=details,
        )  # fmt: skip
    except Undeclared as error:
        stop(f"--difference: {error}")
    except ValidationError as error:
        stop("\n".join(f"--{fault['loc'][0]}: {worded(fault)}" for fault in error.errors()))
    except (StoreError, OSError) as error:
        stop(f"{error}; lbp run {suite} --out {runs_in} finishes them" if isinstance(error, StoreError) else str(error))
    say(f"{count} runs packed: {to}")
    say(f"check them: lbp submission check {to}")


@submission.command("check")
def check_command(
    bundle: Bundle,
    against: Against = None,
    plugin: Plugins = None,
    allow: Allow = None,
    seconds: Seconds = SECONDS,
    megabytes: Megabytes = MEGABYTES,
    record: Record = False,
    as_json: Json = False,
) -> None:
    """Check a submission and report all problems together: file, run, field, expected and actual value.

    Nothing that the submission names is run or opened: runs are rebuilt only from the benchmark's own plugins and data,
        and only if no file and no run contradicts itself.

    Exit code 0: fine; warnings are unusual, not wrong, or could not be checked here. 1: something is wrong, or it
        exceeded its time or memory limit. 2: invalid call.

    Examples:
      lbp submission check results/mine --against results/digits
      lbp submission check results/mine --json
    """
    checked = _checked(bundle, against, plugin, allow, seconds, megabytes)
    if record and checked.sound:
        _grant(bundle, "checked", {run: ["checked"] for run in sorted(checked.sound)})
    _tell(bundle, checked.problems, checked.warnings, f"{checked.runs} runs, {len(checked.sound)} sound", as_json)


@submission.command("replay")
def replay_command(
    bundle: Bundle,
    cells: Annotated[int, typer.Option(min=0, help="How many (run, round) cells to retrain and choose again")] = 20,
    whole: Annotated[int, typer.Option(min=0, help="How many runs to repeat from the start")] = 0,
    tolerance: Annotated[
        float, typer.Option(min=0, help="How far scores may differ if code, versions or machine do")
    ] = 0.01,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Seed for the sample; default: random. Not allowed with --record")
    ] = None,
    against: Against = None,
    plugin: Plugins = None,
    allow: Allow = None,
    seconds: Seconds = SECONDS,
    megabytes: Megabytes = MEGABYTES,
    record: Record = False,
    as_json: Json = False,
) -> None:
    """Check a submission, then retrain sampled rounds on what was bought, and repeat the choices of the rounds after
    them.

    With the code, versions and machine of a run, scores must match to the last bit. Elsewhere they may differ by the
    tolerance (absolute for scores up to 1, relative above), but must not favour the submitter more often than chance
    allows, and most choices must agree.

    Examples:
      lbp submission replay results/mine --cells 40 --whole 1 --record
      lbp submission replay results/mine --seed 3
    """
    import secrets

    import numpy as np
    from rich.progress import Progress

    from labelbench_plus.strangers import Allowed
    from labelbench_plus.submission.bundle import read_bundle
    from labelbench_plus.submission.rebuilding import describe
    from labelbench_plus.submission.replay import replay
    from labelbench_plus.submission.sample import draw

    if record and seed is not None:
        stop("--record with --seed: a badge needs a sample that could not be known in advance; leave --seed out")
    checked = _checked(bundle, against, plugin, allow, seconds, megabytes)
    if checked.problems:
        _tell(bundle, checked.problems, checked.warnings, "not replayed: it does not pass the check", as_json)
    if not checked.sound:
        stop(f"{bundle}: nothing to replay: no run could be checked whole here")
    drawn = secrets.randbits(63) if seed is None else seed  # nobody may know beforehand what is looked at
    sent = read_bundle(bundle)
    sound = describe([run for run in sent.runs if run["run"] in checked.sound], Allowed.of(allow or ())).specs
    signed = sent.submission
    assert signed is not None  # else nothing would be sound
    sample = draw(sound, cells, whole, np.random.default_rng(drawn))
    with Progress(disable=not sys.stdout.isatty() or as_json) as progress:
        bar = progress.add_task("replayed", total=None)

        def told(n: int, of: int) -> None:
            progress.update(bar, completed=n, total=of)

        done = replay(sent.runs, sound, sample, _place(), tolerance, told, baseline=signed.baseline)
    problems = [finding for finding in done.findings if not finding.warning]
    warnings = [*checked.warnings, *(finding for finding in done.findings if finding.warning)]
    if record and not problems:
        _grant(bundle, "checked", {run: ["checked"] for run in sorted(checked.sound)})
        _grant(bundle, "replayed", done.replayed, done.rounds(sound))
        _grant(bundle, "re-run", done.rerun)
    agreed: dict[str, list[str]] = {}
    for run, words in (*done.replayed.items(), *done.rerun.items()):
        agreed.setdefault(run, []).extend(words)
    _tell(bundle, problems, warnings, f"seed {drawn}: {sample}; {sample.chance}", as_json, agreed)


@submission.command("schema")
def schema_command() -> None:
    """Print the JSON schema of submission.json and of the archive's lines.

    Examples:
      lbp submission schema > submission.schema.json
      lbp submission schema
    """
    from labelbench_plus.submission.schema import json_schema

    say(json_schema().decode(), end="")


def _place() -> Place:
    import torch

    from labelbench_plus.contracts.problems import Place
    from labelbench_plus.store.artefacts import default_cache_dir

    torch.set_num_threads(1)  # as runs are computed: one thread each
    return Place(default_cache_dir())


def _checked(
    bundle: Path,
    against: list[Path] | None,
    plugin: list[Path] | None,
    allow: list[str] | None,
    seconds: float,
    megabytes: int,
) -> Told:
    from labelbench_plus.limited import Limits
    from labelbench_plus.submission.limited_check import check_within

    load_plugins(plugin)
    try:
        return check_within(
            bundle,
            Limits(seconds, megabytes),
            against=against or (),
            plugins=plugin or (),
            allowed=allow or (),
        )
    except NotADirectoryError as error:
        stop(str(error))


def _grant(bundle: Path, badge: str, evidence: dict[str, list[str]], rounds: Mapping[str, Again] | None = None) -> None:
    from labelbench_plus.leaderboard.badges import grant
    from labelbench_plus.store.manifest import machine

    grant(bundle, badge, evidence, machine("cpu"), rounds)


def _tell(
    bundle: Path,
    problems: Sequence[Finding],
    warnings: Sequence[Finding],
    told: str,
    as_json: bool,
    agreed: dict[str, list[str]] | None = None,
) -> None:
    """Print what was found. Ends with 1 if there is a problem."""
    if as_json:
        found = {
            "bundle": str(bundle),
            "told": told,
            "problems": [finding.as_json() for finding in problems],
            "warnings": [finding.as_json() for finding in warnings],
            "agreed": agreed or {},
        }
        say(json.dumps(found, indent=1))
    else:
        for finding in warnings:
            say(f"warning: {finding}")
        for run, words in sorted((agreed or {}).items()):
            say(f"run {run}: {'; '.join(words)}")
        for finding in problems:
            say(finding, file=sys.stderr)
        verdict = f"{len(problems)} problems" if problems else "no problem"
        say(f"{bundle}: {told}: {verdict}, {len(warnings)} warnings")
    if problems:
        raise typer.Exit(FAILED)
