"""`lbp leaderboard`: rank strategies, in the terminal or as a site; `lbp compare`: two of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelbench_plus.commands.common import (
    DEFAULT_OUT,
    FAILED,
    Group,
    Out,
    Overrides,
    Plugins,
    SuiteArgument,
    load_runs,
    stop,
)
from labelbench_plus.faults import did_you_mean
from labelbench_plus.shipped import by_name
from labelbench_plus.shown import say

if TYPE_CHECKING:
    from labelbench_plus.leaderboard.results import Results
    from labelbench_plus.spec import RunSpec
    from labelbench_plus.suite import Suite

Sources = Annotated[
    list[Path] | None,
    typer.Argument(help="Folders of results (lbp publish) or suite files; default: all folders in results/"),
]


class _ShowByDefault(Group):
    """`lbp leaderboard SUITE` is short for `lbp leaderboard show SUITE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["show", *args]
        return super().parse_args(ctx, args)


leaderboard = typer.Typer(
    cls=_ShowByDefault, no_args_is_help=True, help="Rank strategies: in the terminal, or as a site to read offline."
)


@leaderboard.command()
def show(
    suite: SuiteArgument,
    overrides: Overrides = None,
    out: Out = DEFAULT_OUT,
    plugin: Plugins = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the table as Markdown")] = False,
) -> None:
    """Rank a suite's strategies from its finished runs, and write its site.

    Examples:
      lbp leaderboard digits
      lbp leaderboard show digits --markdown
    """
    loaded, runs = load_runs(suite, overrides, plugin, out)
    if not show_board(loaded, runs, out, suite, markdown):
        raise typer.Exit(FAILED)


@leaderboard.command()
def build(
    to: Annotated[Path, typer.Option("--to", help="The folder to write the site to")],
    sources: Sources = None,
    out: Out = DEFAULT_OUT,
    plugin: Plugins = None,
) -> None:
    """Write one site over several results: pages that work offline, with all data to download.

    Examples:
      lbp leaderboard build results/digits results/fashion_linear --to site
      lbp leaderboard build --to site
    """
    from labelbench_plus.leaderboard.reported import reported_among
    from labelbench_plus.leaderboard.results import ResultsError
    from labelbench_plus.leaderboard.site import build_site

    results = _results(sources, out, plugin)
    try:
        say(f"page: {build_site(results, to, reported_among(sources))}")
    except (ResultsError, ValueError) as error:
        stop(str(error))


@leaderboard.command()
def draw(
    to: Annotated[Path, typer.Option("--to", help="The folder to write the drawings to")],
    sources: Sources = None,
    out: Out = DEFAULT_OUT,
    plugin: Plugins = None,
) -> None:
    """Draw the matrix of some results, and learning curves, as two small SVG files.

    Examples:
      lbp leaderboard draw results/digits results/fashion_mlp --to pictures
      lbp leaderboard draw --to pictures
    """
    from labelbench_plus.leaderboard.site.pictures import pictures
    from labelbench_plus.store.atomic import replace

    try:
        drawn = pictures(_results(sources, out, plugin))
    except ValueError as error:
        stop(str(error))
    to.mkdir(parents=True, exist_ok=True)
    for name, content in drawn.items():
        replace(to / name, content)
        say(f"drawing: {to / name}")


@leaderboard.command()
def combine(
    sources: Sources = None,
    reference: Annotated[
        str | None, typer.Option("--reference", help="The trainer, as tables name it, that counts as plain training")
    ] = None,
    out: Out = DEFAULT_OUT,
    plugin: Plugins = None,
) -> None:
    """Show what each strategy gains with each trainer, over either alone.

    Examples:
      lbp leaderboard combine results/fashion_semi_supervised --reference logistic_regression
      lbp leaderboard combine results/digits results/digits_all
    """
    from labelbench_plus.leaderboard.combinations import report

    for results in _results(sources, out, plugin):
        try:
            say(report(results.board(), reference), end="")
        except ValueError as error:
            stop(str(error))


def compare(
    a: Annotated[str, typer.Argument(help="A strategy, as tables name it, e.g. margin")],
    b: Annotated[str, typer.Argument(help="Another one")],
    sources: Sources = None,
    out: Out = DEFAULT_OUT,
    plugin: Plugins = None,
) -> None:
    """Is strategy A better than B, by how much, and how sure is that?

    Examples:
      lbp compare margin badge results/digits_all
      lbp compare margin random results/digits --out /shared/me/outputs
    """
    from labelbench_plus.leaderboard.compare import report
    from labelbench_plus.leaderboard.tracks import gather

    try:
        boards = [results.board() for results in _results(sources, out, plugin)]
    except ValueError as error:
        stop(str(error))
    tracks = gather(boards)
    known = sorted({name for track in tracks for name in track.order})
    for name in (a, b):
        if name not in known:
            stop(f"no strategy {name!r} on these boards{did_you_mean(name, known)} (there are {', '.join(known)})")
    if a == b:
        stop(f"{a} and {b} are the same: name two strategies")
    say(report(tracks, a, b), end="")


def _results(sources: list[Path] | None, out: Path, plugin: list[Path] | None) -> list[Results]:
    """What each source holds: a folder of results, or the runs of a suite below `out`. All of results/ if None."""
    from labelbench_plus.leaderboard.of_suite import can_rank, results_of_suite
    from labelbench_plus.leaderboard.reported import REPORTED
    from labelbench_plus.leaderboard.results import ResultsError, read_results

    if sources:
        sources = [source for source in sources if not (source / REPORTED).is_file()]
    elif not (sources := sorted(path.parent for path in Path("results").glob("*/board.json"))):
        stop("no results/*/board.json here: name folders of results (lbp publish) or suite files")
    found = []
    for said in sources:
        source = by_name("suites", said) if not said.exists() else said
        if source.is_dir():
            try:
                found.append(read_results(source))
            except ResultsError as error:
                stop(str(error))
        else:
            suite, runs = load_runs(source, None, plugin, out)
            found.append(results_of_suite(suite, runs, out))
            if not can_rank(found[-1]):
                stop(f"no run of {suite.suite} is done: lbp run {source} --out {out}")
    return found


def show_board(suite: Suite, runs: list[RunSpec], out: Path, file: Path, markdown: bool = False) -> bool:
    """Print the leaderboard and write its page. False if there is nothing to rank yet.

    Parameters
    ----------
    file: of the suite, for a command that writes the page elsewhere.
    """
    from labelbench_plus.leaderboard.of_suite import show_suite

    shown = show_suite(suite, runs, out)
    say((markdown and shown.markdown) or shown.text)
    if markdown and shown.ranked:
        return True  # nothing else, so that it can be sent on to a file
    if shown.page:
        say(f"page: {shown.page}")
    elif shown.why_no_page:
        say(f"no page: {shown.why_no_page}; elsewhere: lbp leaderboard build {file} --out {out} --to FOLDER")
    return shown.ranked
