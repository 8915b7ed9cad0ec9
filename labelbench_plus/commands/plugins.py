"""`lbp list`: what a suite can name, and the suites that are shipped."""

from __future__ import annotations

from typing import Annotated

import typer

from labelbench_plus.commands.common import FAILED, Plugins, load_plugins, stop
from labelbench_plus.contracts.capabilities import in_words
from labelbench_plus.faults import did_you_mean
from labelbench_plus.plugins import PluginError, kinds, registry
from labelbench_plus.shipped import KINDS as SHIPPED
from labelbench_plus.shipped import shipped, title
from labelbench_plus.shown import say

PLUGINS = kinds()
KINDS = (*PLUGINS, *SHIPPED)


def list_plugins(
    kind: Annotated[str | None, typer.Argument(help=f"One of {', '.join(KINDS)}; default: all")] = None,
    name: Annotated[str | None, typer.Argument(help="A plugin to describe: paper, fields, cost")] = None,
    plugin: Plugins = None,
    verify: Annotated[bool, typer.Option("--verify", help="Import every plugin and report the broken ones")] = False,
) -> None:
    """List the plugins that a suite can name, or describe one; for a shipped suite, print its file.

    Examples:
      lbp list strategies badge
      lbp list suites
    """
    if kind is not None and kind not in KINDS:
        stop(f"unknown kind {kind!r}{did_you_mean(kind, KINDS)} (one of {', '.join(KINDS)})")
    load_plugins(plugin)
    if kind is not None and name is not None:
        if kind in SHIPPED:
            print_shipped(kind, name)
        else:
            tell(kind, name)
        return
    broken = False
    for each in [kind] if kind else KINDS:
        if each in SHIPPED:
            _list_shipped(each)
        else:
            broken = _list(each, verify) or broken
    if kind:
        say(f"more of one: lbp list {kind} NAME")
    if broken:
        raise typer.Exit(FAILED)


def tell(kind: str, name: str) -> None:
    """Print all about a plugin."""
    from labelbench_plus.commands.described import in_full

    try:
        say(in_full(kind, registry(kind), name))
    except PluginError as error:
        stop(str(error))


def print_shipped(kind: str, name: str) -> None:
    """Print a shipped file, to start from."""
    files = shipped(kind)
    if name not in files:
        stop(f"{name!r} is none of the shipped {kind}{did_you_mean(name, files)} ({', '.join(files)})")
    say(files[name].read_text(encoding="utf-8"), end="")


def _list_shipped(kind: str) -> None:
    files = shipped(kind)
    say(f"{kind} ({len(files)})")
    width = max(map(len, files), default=0)
    for name, file in files.items():
        say(f"  {name:<{width}}  {title(file)}".rstrip())


def _list(kind: str, verify: bool) -> bool:
    """Print a line for each plugin of a kind. Returns whether one is broken."""
    from labelbench_plus.commands.described import summary

    found, broken = registry(kind), False
    entries = found.entries()
    say(f"{kind} ({len(entries)})")
    width = max(map(len, entries), default=0)
    for entry in entries.values():
        line = f"  {entry.name:<{width}}  {': '.join(filter(None, summary(entry)))}".rstrip()
        if verify:
            try:
                cls = found.load(entry.name)
                about, declared = (cls.__doc__ or "").strip().partition("\n")[0], in_words(kind, cls)
                line = f"  {entry.name:<{width}}  {entry.origin}  {cls.title}: {about}"
                line += f" [{declared}]" if declared else ""
            except PluginError as error:
                broken, line = True, f"  {entry.name:<{width}}  BROKEN: {error}"
        say(line)
    for entry in found.refused:
        say(f"  {entry.name:<{width}}  REFUSED: {entry.origin} ({entry.target}) wants a built-in's name")
    return broken
