"""Where runs come from: what all of them share, and in what each differs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from labelbench_plus.plugins import BUILT_IN

PLUGINS = ("plugins",)
FACTS = (
    ("code", ("code", "commit")),
    ("uncommitted changes", ("code", "dirty")),
    ("Python", ("python",)),
    ("packages", ("packages",)),
    ("system", ("system",)),
    ("processor", ("cpu",)),
    ("device", ("device",)),
    ("CUDA", ("cuda",)),
    ("threads", ("threads",)),
    ("determinism", ("determinism",)),
    ("data (hash)", ("identity", "data")),
    ("plugins", PLUGINS),
    ("settled on the machine", ("settled",)),
    ("isolation of choices", ("isolation", "in_words")),
)


def shared_and_differing(
    records: Mapping[str, Mapping[str, Any]], run_ids: Sequence[str]
) -> tuple[list[tuple[str, str]], dict[str, str]]:
    """Facts that all runs share, as (name, value), and for each run the others, as text.

    A fact that no run knows is left out. Runs without a record say so.
    """
    known = {
        run: {name: _fact(records[run]["manifest"], at) for name, at in FACTS} for run in run_ids if run in records
    }
    shared: list[tuple[str, str]] = []
    differing: list[str] = []
    for name, _ in FACTS:
        values = {facts[name] for facts in known.values()}
        if values - {""}:
            (shared.append((name, values.pop())) if len(values) == 1 else differing.append(name))
    each = {
        run: "; ".join(f"{name} {known[run][name] or 'none'}" for name in differing) if run in known else "no manifest"
        for run in run_ids
    }
    return shared, each


def hardware(records: Mapping[str, Mapping[str, Any]], run_ids: Sequence[str]) -> set[tuple[str, str]]:
    """The (processor, device) of the runs that have a record."""
    manifests = [records[run]["manifest"] for run in run_ids if run in records]
    return {(str(m.get("cpu", "")), str(m.get("device", ""))) for m in manifests}


def cautions(records: Mapping[str, Mapping[str, Any]], run_ids: Sequence[str]) -> list[str]:
    """What a reader should be warned of: runs of different code, of uncommitted code, of different machines."""
    manifests = [records[run]["manifest"] for run in run_ids if run in records]
    commits = {commit for m in manifests if (commit := _fact(m, ("code", "commit")))}
    dirty = sum(bool(_fact(m, ("code", "dirty"))) for m in manifests)
    machines = hardware(records, run_ids)
    found = []
    if len(commits) > 1:
        found.append(
            f"runs come from {len(commits)} versions of the code: {', '.join(c[:10] for c in sorted(commits))}"
        )
    if dirty:
        found.append(f"{dirty} run(s) come from code with uncommitted changes")
    if len(machines) > 1:
        found.append(f"runs come from {len(machines)} kinds of machine, so there is no chart of costs")
    return found


def _fact(manifest: Mapping[str, Any], at: Sequence[str]) -> str:
    value: Any = manifest
    for key in at:
        value = value.get(key) if isinstance(value, Mapping) else None
    if value is None:
        return ""
    if at == PLUGINS:
        others = {what: origin for what, origin in value.items() if origin != BUILT_IN}
        value = others or "all built in"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {part}" for key, part in sorted(value.items()))
    return value if isinstance(value, str) else json.dumps(value)
