"""`lbp check`: the conformance kit from the command line."""

from __future__ import annotations

import difflib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelbench_plus.commands.common import FAILED, load_plugins, stop
from labelbench_plus.shown import say
from labelbench_plus.testing.kit import CHECKED

if TYPE_CHECKING:
    from labelbench_plus.testing.report import Report


def check(
    plugins: Annotated[
        list[str], typer.Argument(help="Names of plugins, Python files that register plugins, or packages")
    ],
    given: Annotated[
        str | None, typer.Option("--with", help="Hyperparameters in YAML, e.g. '{dimensions: 8}', for a single name")
    ] = None,
    expect: Annotated[
        list[str] | None,
        typer.Option("--expect", help="ID=REASON for a check that is expected to fail; may be repeated"),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Skip the cost check on 50,000 × 512 and the learning curve")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the reports as JSON")] = False,
) -> None:
    """Test plugins against their contract. Exit code 1 if a check fails.

    Examples:
      lbp check my_strategy.py
      lbp check margin --quick --json
    """
    expected = _expected(expect or ())
    reports = [_report(kind, name, given, expected, quick) for kind, name in _found(plugins)]
    if as_json:
        say(json.dumps([report.as_json() for report in reports], indent=2))
    else:
        say("\n\n".join(map(str, reports)))
    if not all(report.passed for report in reports):
        raise typer.Exit(FAILED)


def _expected(announced: list[str] | tuple[str, ...]) -> dict[str, str]:
    expected = {}
    for text in announced:
        name, equals, reason = text.partition("=")
        if not equals or not reason.strip():
            stop(f"--expect {text!r}: expected ID=REASON, e.g. 'pool_order=it visits items in their order'")
        expected[name] = reason
    return expected


def _found(subjects: list[str]) -> list[tuple[str, str]]:
    """(kind, name) of every plugin that the arguments stand for."""
    found: list[tuple[str, str]] = []
    for subject in subjects:
        those = _in_file(Path(subject)) if subject.endswith(".py") else _by_name(subject) or _in_package(subject)
        if not those:
            stop(_unknown(subject))
        found += those
    return found


def _in_file(path: Path) -> list[tuple[str, str]]:
    from labelbench_plus.plugins import registry

    load_plugins([path])
    there = str(path.resolve())
    return [
        (kind, name)
        for kind in CHECKED
        for name, entry in registry(kind).entries().items()
        if getattr(sys.modules.get(entry.target.partition(":")[0]), "__file__", None) == there
    ]


def _by_name(name: str) -> list[tuple[str, str]]:
    from labelbench_plus.plugins import registry

    return [(kind, name) for kind in CHECKED if name in registry(kind).entries()]


def _in_package(distribution: str) -> list[tuple[str, str]]:
    from labelbench_plus.plugins import registry

    return [
        (kind, name)
        for kind in CHECKED
        for name, entry in registry(kind).entries().items()
        if entry.origin.partition(" ")[0] == distribution
    ]


def _unknown(subject: str) -> str:
    from labelbench_plus.plugins import registry

    if subject.endswith(".py"):
        return f"{subject}: registers no plugin of a kind that can be checked ({', '.join(CHECKED)})"
    known = [name for kind in CHECKED for name in registry(kind).entries()]
    close = difflib.get_close_matches(subject, known, n=3, cutoff=0.6)
    hint = f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
    return f"{subject!r} is no plugin that can be checked ({', '.join(CHECKED)}), no .py file and no package{hint}"


def _report(kind: str, name: str, given: str | None, expected: dict[str, str], quick: bool) -> Report:
    from labelbench_plus.plugins import PluginError
    from labelbench_plus.testing.kit import check_plugin

    try:
        return check_plugin(kind, _built(kind, name, given), expected_failures=expected, quick=quick)
    except (PluginError, ValueError, TypeError) as error:
        stop(f"{name}: {error}; hyperparameters are given by --with" if isinstance(error, TypeError) else str(error))


def _built(kind: str, name: str, given: str | None) -> Any:
    """The plugin with the hyperparameters of `--with`, or its name."""
    if given is None:
        return name
    from pydantic import ValidationError
    from pydantic_core import PydanticCustomError

    from labelbench_plus.inputs.plain_yaml import YAMLRefused, load_yaml
    from labelbench_plus.plugins import registry

    try:
        parameters, _ = load_yaml(given)
    except YAMLRefused as error:
        stop(f"--with {given!r}: {error}")
    if not isinstance(parameters, dict):
        stop(f"--with {given!r}: expected a mapping, e.g. '{{dimensions: 8}}'")
    try:
        return registry(kind).build({"name": name, **parameters})
    except (ValidationError, PydanticCustomError) as error:
        stop(f"--with {given!r}: {error}")
