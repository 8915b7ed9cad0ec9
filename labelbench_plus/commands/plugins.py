"""`lbp list`: what a suite can name."""

from __future__ import annotations

from typing import Annotated

import typer

from labelbench_plus.commands.common import FAILED, Plugins, load_plugins, stop
from labelbench_plus.contracts.capabilities import in_words
from labelbench_plus.plugins import PluginError, kinds, registry
from labelbench_plus.shown import say

KINDS = kinds()


def list_plugins(
    kind: Annotated[str | None, typer.Argument(help=f"One of {', '.join(KINDS)}; all if left out")] = None,
    plugin: Plugins = None,
    verify: Annotated[bool, typer.Option("--verify", help="Import each plugin and say which are broken")] = False,
) -> None:
    """List the plugins that a suite can name. Nothing is imported unless --verify is given.

    Example: lbp list strategies --verify
    """
    if kind is not None and kind not in KINDS:
        stop(f"unknown kind {kind!r}; one of {', '.join(KINDS)}")
    load_plugins(plugin)
    broken = False
    for each in [kind] if kind else KINDS:
        found = registry(each)
        entries = found.entries()
        say(f"{each} ({len(entries)})")
        width = max(map(len, entries), default=0)
        for entry in entries.values():
            line = f"  {entry.name:<{width}}  {entry.origin}"
            if verify:
                try:
                    cls = found.load(entry.name)
                    summary, declared = (cls.__doc__ or "").strip().partition("\n")[0], in_words(each, cls)
                    line += f"  {cls.title}: {summary}" + (f" [{declared}]" if declared else "")
                except PluginError as error:
                    broken, line = True, f"  {entry.name:<{width}}  BROKEN: {error}"
            say(line)
        for entry in found.refused:
            say(f"  {entry.name:<{width}}  REFUSED: {entry.origin} ({entry.target}) wants a built-in's name")
    if broken:
        raise typer.Exit(FAILED)
