"""Every command of `lbp` with its options, from the command line itself."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import typer
from prose import cell, escaped

from labelbench_plus.cli import app


def commands() -> str:
    """The page of all commands."""
    lines = ["# Commands", "", "What `lbp COMMAND --help` says, for all commands.", ""]
    for path, command in _walk(typer.main.get_command(app), "lbp"):
        lines += [f"## {path}", "", *_help(command.help or ""), ""]
        rows = []
        for parameter in command.params:
            if parameter.name == "help":
                continue
            names = ", ".join(f"`{name}`" for name in parameter.opts) if parameter.opts else ""
            shown = f"`{parameter.name.upper()}`" if parameter.param_type_name == "argument" else names
            rows.append(f"| {shown} | {cell(getattr(parameter, 'help', None) or '')} |")
        if rows:
            lines += ["| | |", "|---|---|", *rows, ""]
    return "\n".join(lines)


def _walk(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", {})
    if not children:
        yield path, command
    for name, child in children.items():
        if not child.hidden:
            yield from _walk(child, f"{path} {name}")


def _help(text: str) -> Iterator[str]:
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        lines = paragraph.splitlines()
        if lines and lines[0] == "Examples:":
            shown = "\n".join(line[2:] for line in lines[1:]).replace("\n  ", " \\\n    ")  # a line that goes on
            yield "\n".join(["```bash", shown, "```", ""])
        else:
            yield f"{escaped(paragraph)}\n"
