"""The code of a job, so that one that starts hours after submission can check that it is unchanged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from labelbench_plus import __version__
from labelbench_plus.store.manifest import code_identity
from labelbench_plus.store.others_code import changed, code_of_sweep


def code_version(plugin_files: Sequence[Path], specs: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The package's version, its commit and uncommitted changes when it runs from a checkout, and others' code.

    Parameters
    ----------
    plugin_files: given with --plugin. specs: of the runs, as JSON.
    """
    return {"version": __version__, **code_identity(), "others": code_of_sweep(plugin_files, specs)}


def difference(submitted: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What differs from what was submitted, in words; empty if nothing does."""
    ours = ("version", "commit", "dirty") if now["commit"] is not None else ("version",)  # without git on this node
    said = []
    if any(submitted[name] != now[name] for name in ours):
        said.append(f"submitted was {_words(submitted)}, the job found {_words(now)}")
    if others := changed(submitted.get("others", {}), now["others"]):  # sweeps of earlier versions do not say
        said.append(f"changed since it was submitted: {', '.join(others)}")
    return "; ".join(said)


def _words(code: Mapping[str, Any]) -> str:
    commit = (code["commit"] or "")[:10]
    dirty = f" with changes {code['dirty']}" if code["dirty"] else ""
    return f"commit {commit}{dirty}" if commit else f"version {code['version']}"
