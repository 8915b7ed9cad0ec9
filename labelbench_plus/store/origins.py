"""Which package or file each plugin of a run came from, as recorded in its manifest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from labelbench_plus.entries import FROM_A_FOLDER
from labelbench_plus.plugins import Described, Plugin, Registry, registry, with_parts
from labelbench_plus.spec import RunSpec

LOCAL = "local, unversioned"  # of a --plugin file that only a confined process has read
UNKNOWN = "unknown"


def origins(spec: RunSpec) -> dict[str, str]:
    """The origin of every plugin of a run.

    Problem, trainer, strategy and proxy stand under what they are; the strategy of the first round, and plugins in the
    fields of others, under kind and name: `{"problems": "built in", "datasets digits": "built in", ...}`.
    """
    roles = {"problems": spec.problem, "trainers": spec.trainer, "strategies": spec.strategy, "proxy": spec.proxy}
    found, named = {}, dict(_of(spec.initial)) if spec.initial is not None else {}
    for role, plugin in roles.items():
        if plugin is not None:
            (_, found[role]), *inside = _of(plugin)
            named |= dict(inside)
    return {**found, **named}


def unpublished(manifest: Mapping[str, Any]) -> list[str]:
    """The plugins of a run that others cannot install: those of a --plugin file or of a package in a folder."""
    return [
        f"{name} ({origin})"
        for name, origin in manifest["plugins"].items()
        if origin.startswith("local") or origin.endswith(FROM_A_FOLDER)
    ]


def kind_and_origin(part: Plugin) -> tuple[str, str]:
    """Of a plugin alone, without those in its fields."""
    if isinstance(part, Described):
        return "strategies", part.origin
    for kind, known in Registry.kinds.items():
        if isinstance(part, known.base) and (entry := known.entries().get(part.name)) is not None:
            return kind, entry.origin
    return "plugins", UNKNOWN


def _of(plugin: Plugin) -> list[tuple[str, str]]:
    """(kind and name, origin) of a plugin and of all in its fields, from the outside in."""
    found = []
    for part in with_parts(plugin):
        kind, origin = kind_and_origin(part)
        found.append((f"{kind} {part.name}", origin))
        if isinstance(part, Described):  # a strategy, as are those in its fields
            entries = registry("strategies").entries()
            inside = list(_names(part.description(semantic_only=False)))[1:]
            found += [(f"strategies {name}", entries[name].origin if name in entries else LOCAL) for name in inside]
    return found


def _names(described: Any) -> Iterator[str]:
    """Of all plugins in a description, from the outside in."""
    if isinstance(described, Mapping):
        if isinstance(described.get("name"), str) and "version" in described:
            yield described["name"]
        for value in described.values():
            yield from _names(value)
    elif isinstance(described, list):
        for value in described:
            yield from _names(value)
