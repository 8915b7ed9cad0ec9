"""What is printed or written as a table goes through the one function of its form (`labelbench_plus.shown`)."""

from __future__ import annotations

import ast

from tests.architecture.imports import modules, tree
from tests.architecture.test_direction import room

# Rich draws what these hand it; every text among it went through `printable`.
DRAW = {
    "labelbench_plus.commands.cache",
    "labelbench_plus.running.progress",
    "labelbench_plus.sweep.report",
}
PRINTERS = {"labelbench_plus.shown"}


def calls() -> list[tuple[str, int, str]]:
    """(module, line, what is called) of every call in the package but those in templates of new plugins."""
    return [
        (module, node.lineno, ast.unparse(node.func))
        for module in modules()
        if room(module) != "scaffold"
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Call)
    ]


def named(found: list[tuple[str, int, str]], allowed: set[str]) -> list[str]:
    return [f"{module}:{line}: {what}" for module, line, what in found if module not in allowed]


def test_nothing_is_printed_but_by_say():
    printed = [each for each in calls() if each[2] in ("print", "pprint", "typer.echo", "rich.print", "typer.secho")]
    printed += [each for each in calls() if each[2].startswith(("sys.stdout.write", "sys.stderr.write"))]
    assert not named(printed, PRINTERS)
    assert not named([each for each in calls() if each[2] == "Console"], DRAW)


def test_tables_are_written_as_cells_that_nothing_calculates():
    """`csv_form` alone writes CSV, and by none of these."""
    others = ("csv.writer", "csv.DictWriter")
    assert not [each for each in calls() if each[2].endswith(".to_csv") or each[2] in others]
