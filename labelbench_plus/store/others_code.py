"""The third-party code that a run is computed with: plugin files, packages with entry points, checkouts.

Ids come from names, versions and hyperparameters, and an edited file has the same of all three. So its hash is noted
with what is handed over or begun, and what goes on later is held against it.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from labelbench_plus.content import hash_files
from labelbench_plus.plugins import BUILT_IN, Described, Plugin, Registry, kinds, with_parts

CHECKOUT = "checkout"
"""The field of adapters that names a folder to import from."""


def code_of_sweep(plugin_files: Sequence[Path], specs: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Hashes by name: of plugin files, of all packages with plugins, and of the checkouts that specs (as JSON) name.

    Nothing is imported.
    """
    points = (point for kind in kinds() for point in importlib.metadata.entry_points(group=f"labelbench_plus.{kind}"))
    packages = {point.module.partition(".")[0] for point in points}
    return _of(plugin_files, packages, {folder for spec in specs for folder in _checkouts(spec)})


def code_of_run(plugins: Iterable[Plugin], plugin_files: Sequence[Path]) -> dict[str, str]:
    """The same of what a run's plugins come from; empty where all of them come with this package."""
    parts = [part for plugin in plugins for part in with_parts(plugin)]
    entries = [entry for part in parts for entry in _entries(part) if entry.origin != BUILT_IN]
    origins = [entry.origin for entry in entries] + [part.origin for part in parts if isinstance(part, Described)]
    files = [path for path in plugin_files if any(f"local ({path.name}:" in origin for origin in origins)]
    packages = {entry.target.partition(":")[0].partition(".")[0] for entry in entries if "local (" not in entry.origin}
    folders = {str(found) for part in parts if (found := getattr(part, CHECKOUT, None)) is not None}
    return _of(files, packages - {""}, folders)


def changed(noted: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """What was recorded and has changed since, or is gone."""
    return sorted(name for name, held in noted.items() if now.get(name) != held)


def _of(plugin_files: Iterable[Path], packages: Iterable[str], checkouts: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in plugin_files:
        held = _hash([path]) if path.is_file() else "gone"
        name = f"plugin {path.name}"
        found[name] = f"{found[name]} {held}" if name in found else held
    for package in packages:
        found[f"package {package}"] = _hash(_sources_of_package(package))
    for folder in checkouts:
        found[f"checkout {Path(folder).name}"] = _hash(_sources(Path(folder).expanduser()))
    return dict(sorted(found.items()))


def _entries(part: Plugin) -> Iterator[Any]:
    """What registries know under a plugin's name, of its kind."""
    for kind in Registry.kinds.values():
        if isinstance(part, kind.base) and (entry := kind.entries().get(part.name)) is not None:
            yield entry


def _checkouts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if name == CHECKOUT and isinstance(inner, str):
                yield inner
            else:
                yield from _checkouts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _checkouts(inner)


def _sources_of_package(package: str) -> list[Path]:
    spec = importlib.util.find_spec(package)
    if spec is None:
        return []
    if spec.submodule_search_locations is None:
        return [Path(spec.origin)] if spec.origin else []
    return [path for folder in spec.submodule_search_locations for path in _sources(Path(folder))]


def _sources(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if path.is_file())


def _hash(files: Sequence[Path]) -> str:
    """Of what files hold, in order."""
    return sha256(" ".join(hash_files(files)).encode()).hexdigest()[:16]
