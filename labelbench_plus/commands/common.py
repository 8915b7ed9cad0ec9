"""What commands share: exit codes, ending with a message, options, loading of plugin files and suites."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer
from typer.core import TyperGroup

from labelbench_plus.shipped import by_name
from labelbench_plus.shown import say

if TYPE_CHECKING:
    from labelbench_plus.spec import RunSpec
    from labelbench_plus.suite import Suite

FAILED, USAGE, HELD, UNREACHABLE, INTERRUPTED = 1, 2, 3, 4, 130
"""Exit codes, the same for every command: something failed, invalid call, another process holds what is
needed, a scheduler does not answer, Ctrl-C."""
DEFAULT_OUT = Path("outputs")
DEFAULT_JOBS = os.cpu_count() or 1


class Group(TyperGroup):
    """Commands whose help is shown as it is written: brackets in it are no markup."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        command: Any = super().get_command(ctx, cmd_name)
        for told in () if command is None else (command, *command.params):
            if "[" in (getattr(told, "help", None) or "") and not hasattr(told, "as_written"):
                from rich.markup import escape

                told.as_written, told.help = told.help, escape(told.help)
        return command


SuiteArgument = Annotated[
    Path,
    typer.Argument(
        parser=lambda said: by_name("suites", said),
        metavar="SUITE",
        help="The name of a shipped suite, e.g. digits, or a file",
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(help="dotted.path=value, e.g. budget.rounds=5 seeds=0..9"),
]
Out = Annotated[Path, typer.Option("--out", help="Folder for runs and leaderboards")]
Plugins = Annotated[
    list[Path] | None, typer.Option("--plugin", help="A Python file that registers plugins; may be repeated")
]
Allow = Annotated[
    list[str] | None,
    typer.Option(
        "--allow",
        help="What may be built besides the benchmark's own plugins: a package's name, or KIND.PLUGIN.FIELD=VALUE as "
        "the message shows it; may be repeated",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object for programs")]
Answers = Annotated[
    Path | None,
    typer.Option("--answers", help="Folder for annotators' answers; default: `answers` beside --out"),
]
Pay = Annotated[
    float | None, typer.Option("--pay", min=0, help="The most that this command may pay annotators, in total")
]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes")]
Device = Annotated[Literal["cpu", "cuda"], typer.Option(help="Device to train models on")]
WandbMode = Annotated[Literal["disabled", "offline", "online"], typer.Option(help="Mirror runs to Weights & Biases")]

KeepModels = Annotated[bool, typer.Option("--keep-models", help="Leave each run's last model in its folder")]


def stop(message: str, code: int = USAGE) -> NoReturn:
    """Say what is wrong and end."""
    say(message, file=sys.stderr)
    raise typer.Exit(code)


def load_plugins(files: Iterable[Path] | None) -> None:
    """Run the files that `--plugin` names; one that cannot be loaded ends the command."""
    from labelbench_plus.plugins import PluginError, load_plugin_file

    for file in files or ():
        try:
            load_plugin_file(file)
        except PluginError as error:
            stop(str(error))


def built(kind: str, option: str, text: str, example: str) -> Any:
    """The plugin that an option names as suites do; what is wrong with it ends the command."""
    from pydantic import ValidationError
    from pydantic_core import PydanticCustomError

    from labelbench_plus.faults import told
    from labelbench_plus.inputs.plain_yaml import YAMLRefused, load_yaml
    from labelbench_plus.plugins import registry

    try:
        value, _ = load_yaml(text)
        return registry(kind).build(value)
    except YAMLRefused:
        stop(f"{option} {text!r}: not valid YAML; expected a name, or e.g. '{example}'")
    except PydanticCustomError as error:
        stop(f"{option} {text!r}: {error}")
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, path))}: {message}" for path, message in told(error, value)]
        stop(f"{option} {text!r}: {'; '.join(faults)}")


def check_writable(folder: Path, what: str) -> None:
    """End the command where a folder cannot be written to, before any work. It is made if it is not there.

    Parameters
    ----------
    what: the option that names it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        stop(f"{what} {folder}: cannot be written to: {error.strerror or error}; name another folder")


def tell_isolation(suite: Suite, runs: Iterable[RunSpec]) -> None:
    """Say what isolation covers here and what it does not; end the command where it cannot be had as asked for."""
    if suite.isolate is None:
        return
    from labelbench_plus.isolation.cell import Cell, IsolationError
    from labelbench_plus.isolation.suites import statement

    try:
        with Cell(terms=suite.isolate) as cell:
            cell.start()
            say(statement(suite.isolate, cell.held, runs), file=sys.stderr)
    except IsolationError as error:
        stop(str(error))


def check_models_can_be_kept(runs: Iterable[RunSpec]) -> None:
    """End the command where a trainer cannot save its models; before any work."""
    from labelbench_plus.running.job import why_no_models

    if reason := why_no_models(runs):
        stop(reason)


def load_runs(
    path: Path,
    overrides: list[str] | None,
    plugin: list[Path] | None,
    out: Path = DEFAULT_OUT,
    absent: list[str] | None = None,
    answers: Path | None = None,
) -> tuple[Suite, list[RunSpec]]:
    """A suite and its runs; what is wrong with the file ends the command.

    Parameters
    ----------
    plugin: files that are loaded here, unless the suite isolates strategies: then a confined process loads them.
    out, answers: where runs and answers are kept, which that process cannot read.
    absent: where given, what this machine lacks of data and weights is added here and is no fault.
    """
    suite = read_suite(path, overrides, plugin, out, answers, absent=absent, as_read=False)
    return suite, suite.runs()


def read_suite(
    path: Path,
    overrides: list[str] | None,
    plugin: list[Path] | None,
    out: Path = DEFAULT_OUT,
    answers: Path | None = None,
    *,
    absent: list[str] | None = None,
    as_read: bool = True,
) -> Suite:
    """A suite as `load_runs` loads it; as it reads, without looking for its data and weights, unless said otherwise."""
    from labelbench_plus.isolation.suites import load_suite
    from labelbench_plus.running.job import Where
    from labelbench_plus.suite import SuiteError

    try:
        hidden = Where.here(out, answers=answers).hidden
        return load_suite(
            path, overrides or (), plugin_files=plugin or (), hidden=hidden, absent=absent, as_read=as_read
        )
    except SuiteError as error:
        stop(str(error))
