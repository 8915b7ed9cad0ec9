"""The command line: `lbp`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer
from typer.core import TyperGroup

from labelbench_plus.commands.check import check
from labelbench_plus.commands.imports import imports
from labelbench_plus.commands.new import new
from labelbench_plus.commands.pairs import pairs
from labelbench_plus.commands.replay import replay, show
from labelbench_plus.commands.submission import submission
from labelbench_plus.commands.sweep import sweep
from labelbench_plus.commands.wandb import wandb as wandb_commands

if TYPE_CHECKING:
    from labelbench_plus.leaderboard.results import Results
    from labelbench_plus.spec import RunSpec
    from labelbench_plus.suite import Suite

# Exit codes, the same for every command.
FAILED, USAGE, INTERRUPTED = 1, 2, 130
KINDS = (
    "problems",
    "datasets",
    "encoders",
    "conditions",
    "strategies",
    "trainers",
    "networks",
    "augmentations",
    "metrics",
    "pair_pools",
    "launchers",
)

app = typer.Typer(
    help="Which way of spending N labels, with which way of training, gives the best model?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
config = typer.Typer(help="Look at what a suite resolves to.", no_args_is_help=True)
app.add_typer(config, name="config")
app.add_typer(sweep, name="sweep")
app.add_typer(wandb_commands, name="wandb")
app.command()(replay)
app.command()(show)
app.command()(check)
app.command()(new)
app.add_typer(imports, name="import")
app.add_typer(submission, name="submission")
app.add_typer(pairs, name="pairs")

SuiteArgument = Annotated[Path, typer.Argument(help="A suite file, e.g. benchmarks/suites/digits.yaml")]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(help="dotted.path=value, e.g. budget.rounds=5 'strategies=[random, margin]'"),
]
Out = Annotated[Path, typer.Option("--out", help="Where runs and leaderboards are kept")]
Plugins = Annotated[
    list[Path] | None, typer.Option("--plugin", help="A Python file that registers plugins; may be repeated")
]
Sources = Annotated[
    list[Path] | None,
    typer.Argument(help="Folders of results (lbp publish), or suite files; all below results/ if left out"),
]
DEFAULT_OUT = Path("outputs")


@app.command()
def run(
    suite: SuiteArgument,
    overrides: Overrides = None,
    out: Out = DEFAULT_OUT,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes")] = os.cpu_count() or 1,
    plugin: Plugins = None,
    device: Annotated[Literal["cpu", "cuda"], typer.Option(help="Where models are trained")] = "cpu",
    wandb: Annotated[
        Literal["disabled", "offline", "online"], typer.Option(help="Mirror runs to Weights & Biases")
    ] = "disabled",
) -> None:
    """Carry out every run of a suite that is not done yet, then show the leaderboard.

    Example: lbp run benchmarks/suites/digits.yaml seeds=0..9 --jobs 4
    """
    from labelbench_plus.running.job import local_jobs
    from labelbench_plus.running.local import run_local
    from labelbench_plus.running.progress import Progress

    loaded, runs = _load(suite, overrides, plugin)
    _check_device(device)
    isolate = loaded.isolate is not None
    work = local_jobs(
        loaded.suite, runs, out, jobs, device=device, plugin_files=plugin or (), wandb=wandb, isolate=isolate
    )
    print(f"{loaded.suite}: {len(runs)} runs, {len(runs) - len(work)} done, {len(work)} to do, in {out}")
    progress = Progress(len(work), len(loaded.budget.amounts()))
    try:
        with progress:
            run_local(work, jobs, progress.event)
    except KeyboardInterrupt:
        print(f"\nstopped; {progress.ended} of {len(work)} runs ended, and every committed round is kept.")
        print("The same command goes on from here.")
        raise typer.Exit(INTERRUPTED) from None
    progress.report()
    _show_board(loaded, runs, out)
    if progress.failed:
        raise typer.Exit(FAILED)


class _ShowByDefault(TyperGroup):
    """`lbp leaderboard SUITE` is short for `lbp leaderboard show SUITE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["show", *args]
        return super().parse_args(ctx, args)


leaderboard = typer.Typer(
    cls=_ShowByDefault, no_args_is_help=True, help="Rank strategies: in the terminal, or as a site to read offline."
)
app.add_typer(leaderboard, name="leaderboard")


@leaderboard.command("show")
def leaderboard_show(
    suite: SuiteArgument, overrides: Overrides = None, out: Out = DEFAULT_OUT, plugin: Plugins = None
) -> None:
    """Rank a suite's strategies from the runs that are there, and write its site.

    Example: lbp leaderboard benchmarks/suites/digits.yaml
    """
    loaded, runs = _load(suite, overrides, plugin)
    if not _show_board(loaded, runs, out):
        raise typer.Exit(FAILED)


@leaderboard.command("build")
def leaderboard_build(
    to: Annotated[Path, typer.Option("--to", help="The folder to write the site to")],
    sources: Sources = None,
    out: Out = DEFAULT_OUT,
    plugin: Plugins = None,
) -> None:
    """Write one site over several results: pages that can be read offline, with all data to download.

    Example: lbp leaderboard build results/digits results/fashion_linear --to results/site
    """
    from labelbench_plus.leaderboard.reported import reported_among
    from labelbench_plus.leaderboard.results import ResultsError
    from labelbench_plus.leaderboard.site import build_site

    results = _results(sources, out, plugin)
    try:
        print(f"page: {build_site(results, to, reported_among(sources))}")
    except (ResultsError, ValueError) as error:
        _stop(str(error))


@leaderboard.command("combine")
def leaderboard_combine(
    sources: Sources = None,
    reference: Annotated[
        str | None, typer.Option("--reference", help="The trainer, as tables call it, that stands for plain training")
    ] = None,
    out: Out = DEFAULT_OUT,
    plugin: Plugins = None,
) -> None:
    """What each way of choosing labels gains with each way of training, over each of the two alone.

    Example: lbp leaderboard combine results/fashion_semi_supervised --reference logistic_regression
    """
    from labelbench_plus.leaderboard.combinations import report

    for results in _results(sources, out, plugin):
        try:
            print(report(results.board(), reference), end="")
        except ValueError as error:
            _stop(str(error))


@app.command()
def compare(
    a: Annotated[str, typer.Argument(help="A strategy as tables call it, e.g. margin")],
    b: Annotated[str, typer.Argument(help="Another one")],
    sources: Sources = None,
    out: Out = DEFAULT_OUT,
    plugin: Plugins = None,
) -> None:
    """Is A better than B, by how much, how sure?

    Example: lbp compare margin badge results/digits_all
    """
    from labelbench_plus.leaderboard.compare import report
    from labelbench_plus.leaderboard.tracks import gather

    try:
        boards = [results.board() for results in _results(sources, out, plugin)]
    except ValueError as error:
        _stop(str(error))
    tracks = gather(boards)
    print(report(tracks, a, b), end="")
    known = {name for track in tracks for name in track.order}
    if not {a, b} <= known:
        raise typer.Exit(USAGE)


@app.command()
def publish(
    suite: SuiteArgument,
    to: Annotated[Path, typer.Argument(help="A folder, e.g. results/digits")],
    out: Out = DEFAULT_OUT,
    plugin: Plugins = None,
    details: Annotated[bool, typer.Option("--details", help="Archive what evaluations said beyond scores too")] = False,
) -> None:
    """Write a finished suite's results and a compact archive of its runs to a folder that can be committed.

    Example: lbp publish benchmarks/suites/digits.yaml results/digits
    """
    from labelbench_plus.leaderboard.of_suite import publish_suite
    from labelbench_plus.store.archive import write_archive
    from labelbench_plus.store.run_store import RunStore

    loaded, runs = _load(suite, None, plugin)
    stores = [RunStore(out, spec.id) for spec in runs]
    if missing := sum(not store.done for store in stores):
        _stop(f"{missing} of {len(runs)} runs of {loaded.suite} are not finished: lbp run {suite} --out {out}")
    publish_suite(loaded, runs, out, to)
    count = write_archive(stores, to / "runs.jsonl.gz", details=details)
    print(f"{count} runs and their tables: {to}")
    print(f"pages: lbp leaderboard build {to} --to FOLDER")


@app.command()
def restore(archive: Annotated[Path, typer.Argument(help="A runs.jsonl.gz")], out: Out = DEFAULT_OUT) -> None:
    """Lay published runs out as if they had been computed here, so that suites go on from them.

    Example: lbp restore results/digits/runs.jsonl.gz
    """
    from labelbench_plus.store.archive import restore_archive
    from labelbench_plus.store.run_store import StoreError

    try:
        print(f"{restore_archive(archive, out)} runs restored to {out}")
    except (StoreError, OSError, ValueError, KeyError) as error:
        _stop(f"{archive}: {error}")


@app.command("list")
def list_plugins(
    kind: Annotated[str | None, typer.Argument(help=f"One of {', '.join(KINDS)}; all if left out")] = None,
    plugin: Plugins = None,
    verify: Annotated[bool, typer.Option("--verify", help="Import each plugin and say which are broken")] = False,
) -> None:
    """List the plugins that a suite can name. Nothing is imported unless --verify is given.

    Example: lbp list strategies --verify
    """
    from labelbench_plus.plugins import PluginError, registry

    if kind is not None and kind not in KINDS:
        _stop(f"unknown kind {kind!r}; one of {', '.join(KINDS)}")
    _load_plugin_files(plugin)
    broken = False
    for each in [kind] if kind else KINDS:
        found = registry(each)
        entries = found.entries()
        print(f"{each} ({len(entries)})")
        width = max(map(len, entries), default=0)
        for entry in entries.values():
            line = f"  {entry.name:<{width}}  {entry.origin}"
            if verify:
                try:
                    summary = (found.load(entry.name).__doc__ or "").strip().partition("\n")[0]
                    line += f"  {summary}"
                except PluginError as error:
                    broken, line = True, f"  {entry.name:<{width}}  BROKEN: {error}"
            print(line)
        for entry in found.refused:
            print(f"  {entry.name:<{width}}  REFUSED: {entry.origin} ({entry.target}) wants a built-in's name")
    if broken:
        raise typer.Exit(FAILED)


@config.command("show")
def config_show(suite: SuiteArgument, overrides: Overrides = None, plugin: Plugins = None) -> None:
    """Print every run of a suite, fully resolved, as JSON.

    Example: lbp config show benchmarks/suites/digits.yaml seeds=0..0
    """
    _, runs = _load(suite, overrides, plugin)
    print(json.dumps([{"id": spec.id, **spec.as_json()} for spec in runs], indent=2))


@config.command("hash")
def config_hash(suite: SuiteArgument, overrides: Overrides = None, plugin: Plugins = None) -> None:
    """Print the id of every run of a suite and what it stands for.

    Example: lbp config hash benchmarks/suites/digits.yaml
    """
    _, runs = _load(suite, overrides, plugin)
    for spec in runs:
        print(f"{spec.id}  {spec}")


@config.command("diff")
def config_diff(
    left: Annotated[Path, typer.Argument(help="A run's config.json, or a run id's folder")],
    right: Annotated[Path, typer.Argument(help="Another one")],
) -> None:
    """Print the fields in which two runs differ; exit 1 if any.

    Example: lbp config diff outputs/runs/3fa1* outputs/runs/77c0*
    """
    sides = []
    for path in (left, right):
        file = path / "config.json" if path.is_dir() else path
        try:
            sides.append(_flat(json.loads(file.read_bytes())))
        except (OSError, ValueError) as error:
            _stop(f"{file}: cannot be read as a run's config: {error}")
    differences = [key for key in {**sides[0], **sides[1]} if sides[0].get(key) != sides[1].get(key)]
    for key in differences:
        print(f"{key}: {json.dumps(sides[0].get(key))} | {json.dumps(sides[1].get(key))}")
    if differences:
        raise typer.Exit(FAILED)


def _load(path: Path, overrides: list[str] | None, plugin: list[Path] | None) -> tuple[Suite, list[RunSpec]]:
    from labelbench_plus.suite import SuiteError, load_suite

    _load_plugin_files(plugin)
    try:
        loaded = load_suite(path, overrides or ())
    except SuiteError as error:
        _stop(str(error))
    return loaded, loaded.runs()


def _load_plugin_files(files: list[Path] | None) -> None:
    from labelbench_plus.plugins import PluginError, load_plugin_file

    for file in files or ():
        try:
            load_plugin_file(file)
        except PluginError as error:
            _stop(str(error))


def _check_device(device: str) -> None:
    if device == "cuda":
        import torch

        if not torch.cuda.is_available():
            _stop("--device cuda: this machine has no CUDA device that torch can use; leave the option out")


def _results(sources: list[Path] | None, out: Path, plugin: list[Path] | None) -> list[Results]:
    """What each source holds: a folder of results, or the runs of a suite below `out`. All of results/ if None."""
    from labelbench_plus.leaderboard.of_suite import can_rank, results_of_suite
    from labelbench_plus.leaderboard.reported import REPORTED
    from labelbench_plus.leaderboard.results import ResultsError, read_results

    if sources:
        sources = [source for source in sources if not (source / REPORTED).is_file()]
    elif not (sources := sorted(path.parent for path in Path("results").glob("*/board.json"))):
        _stop("no results/*/board.json here: name folders of results (lbp publish) or suite files")
    found = []
    for source in sources:
        if source.is_dir():
            try:
                found.append(read_results(source))
            except ResultsError as error:
                _stop(str(error))
        else:
            suite, runs = _load(source, None, plugin)
            found.append(results_of_suite(suite, runs, out))
            if not can_rank(found[-1]):
                _stop(f"no run of {suite.suite} is done: lbp run {source} --out {out}")
    return found


def _show_board(suite: Suite, runs: list[RunSpec], out: Path) -> bool:
    """Print the leaderboard and write its page. False if there is nothing to rank yet."""
    from labelbench_plus.leaderboard.of_suite import show_suite

    shown = show_suite(suite, runs, out)
    print(shown.text)
    if shown.page:
        print(f"page: {shown.page}")
    return shown.page is not None


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(value, dict) and value:
        return {key: item for name, part in value.items() for key, item in _flat(part, f"{prefix}.{name}").items()}
    return {prefix.lstrip("."): value}


def _stop(message: str) -> NoReturn:
    print(message, file=sys.stderr)
    raise typer.Exit(USAGE)


def main() -> None:
    app()
