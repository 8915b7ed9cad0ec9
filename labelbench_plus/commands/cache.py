"""`lbp cache`: what took long and was kept, and making room."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelbench_plus.commands.common import Group, Json, stop
from labelbench_plus.shown import printable, say, sized

if TYPE_CHECKING:
    from labelbench_plus.store.prune import Entry

cache = typer.Typer(cls=Group, help="Artefacts that are made once: features, texts, models.", no_args_is_help=True)

Folder = Annotated[Path | None, typer.Option("--cache", help="The cache; default: $LBP_CACHE or ~/.cache")]


@cache.command("list")
def list_entries(folder: Folder = None, as_json: Json = False) -> None:
    """List the cache, most recently used last: kind, size, age, last use, contents.

    Examples:
      lbp cache list
      lbp cache list --json
    """
    from labelbench_plus.store.prune import entries

    where = _folder(folder)
    found = entries(where)
    if as_json:
        say(json.dumps([_record(entry) for entry in found], indent=1))
        return
    if found:
        _print_table(found)
    say(f"{_sum(found)}, in {where}")


@cache.command()
def prune(
    to: Annotated[str | None, typer.Option(help="The size to shrink to, e.g. 10GB; default: $LBP_CACHE_BUDGET")] = None,
    older_than: Annotated[
        str | None, typer.Option("--older-than", help="Remove entries not used for this long, e.g. 30d, 12h, 2w")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be removed, without removing it")] = False,
    folder: Folder = None,
    as_json: Json = False,
) -> None:
    """Remove the least recently used entries until the rest fits. Entries in use are always kept.

    Examples:
      lbp cache prune --to 100GB --older-than 30d --dry-run
      lbp cache prune --older-than 90d
    """
    from labelbench_plus.store.prune import BUDGET, age, budget, size
    from labelbench_plus.store.prune import prune as prune_cache

    try:
        limit = budget() if to is None else size(to)
        seconds = None if older_than is None else age(older_than)
    except ValueError as error:
        stop(str(error))
    if limit is None and seconds is None:
        stop(f"nothing says what may go: give --to 10GB or --older-than 30d, or set {BUDGET}")
    where = _folder(folder)
    gone = prune_cache(where, to=limit, older_than=seconds, dry_run=dry_run)
    if as_json:
        say(json.dumps({"dry_run": dry_run, "removed": [_record(entry) for entry in gone]}, indent=1))
        return
    if gone:
        _print_table(gone)
    done = "would be removed from" if dry_run else "removed from"
    say(f"{_sum(gone)}, {done} {where}")


def _folder(folder: Path | None) -> Path:
    from labelbench_plus.store.artefacts import default_cache_dir

    return folder.expanduser() if folder is not None else default_cache_dir()


def _record(entry: Entry) -> dict[str, Any]:
    about = entry.about
    return {"id": entry.id, "kind": entry.kind, "path": str(entry.path), "key": entry.key, **vars(about)}


def _print_table(found: list[Entry]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("artefact", "kind"):
        table.add_column(name, no_wrap=True)
    for name in ("size", "made", "last use"):
        table.add_column(name, no_wrap=True, justify="right")
    table.add_column("what")
    for entry in found:
        about = entry.about
        what = about.what or (json.dumps(entry.key) if entry.key else "")
        cells = (entry.id[:12], entry.kind, sized(entry.bytes), _ago(about.made), _ago(about.last_use), what[:200])
        table.add_row(*(Text(printable(cell)) for cell in cells))
    console = Console()
    if not console.is_terminal:  # a pipe has no width that a line would have to fit into
        console = Console(width=200)
    console.print(table)


def _sum(found: list[Entry]) -> str:
    return f"{len(found)} artefact{'s' * (len(found) != 1)}, {sized(sum(entry.bytes for entry in found))}"


def _ago(then: float) -> str:
    """How long ago, in the largest unit that fits."""
    seconds = max(time.time() - then, 0.0)
    for length, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit} ago"
    return "now"
