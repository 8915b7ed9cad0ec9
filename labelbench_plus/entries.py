"""Where plugins are found: files of this package, and entry points of other packages. Nothing is imported for it."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import importlib.util
import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

BUILT_IN = "built in"
OURS = "labelbench-plus"
FROM_A_FOLDER = ", from a folder"
"""How the origin ends of a package that was installed from a folder, editable or not: nobody else can install it."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """Where a plugin name leads, known without importing it."""

    name: str
    origin: str
    target: str


def installed(group: str) -> tuple[dict[str, Entry], list[Entry]]:
    """What a kind's room and other packages offer, by name; and the entry points that wanted a built-in's name.

    Parameters
    ----------
    group: the room's full name, which is that of the entry points too.
    """
    found: dict[str, Entry] = {}
    refused: list[Entry] = []
    spec = importlib.util.find_spec(group)
    for folder in spec.submodule_search_locations or [] if spec else []:
        for file in sorted(Path(folder).rglob("*.py")):
            parts = file.relative_to(folder).with_suffix("").parts
            if not any(part.startswith("_") for part in parts):
                found[parts[-1]] = Entry(parts[-1], BUILT_IN, ".".join((group, *parts)))
    for point in _entry_points(tuple(sys.path)).select(group=group):
        origin = _origin(point.dist) if point.dist else "unknown package"
        entry = Entry(point.name, origin, point.value)
        if (taken := found.get(point.name)) is None:
            found[point.name] = entry
        elif taken.origin == BUILT_IN:
            refused.append(entry)
        else:  # neither stranger has the better claim, so using the name is an error that names both
            found[point.name] = Entry(point.name, f"{taken.origin} and {origin}", "")
    return found, refused


def _origin(package: importlib.metadata.Distribution) -> str:
    """Name and version, and whether it came from a folder (PEP 610). Manifests say of our own code which it was."""
    installed_from = json.loads(package.read_text("direct_url.json") or "{}") if package.name != OURS else {}
    return f"{package.name} {package.version}{FROM_A_FOLDER if 'dir_info' in installed_from else ''}"


@cache
def _entry_points(path: tuple[str, ...]) -> Any:  # EntryPoints, for which Python 3.11 has another class
    """Those of every package installed on `path`: read once, as every package's files are opened for it."""
    return importlib.metadata.entry_points()
