"""Finished runs that were computed with an earlier content of third-party code of the same name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from labelbench_plus.spec import RunSpec
from labelbench_plus.store.manifest import others_code_of
from labelbench_plus.store.others_code import changed
from labelbench_plus.store.run_store import RunStore, StoreError


def changed_since(runs: Sequence[RunSpec], root: Path, plugin_files: Sequence[Path]) -> dict[str, int]:
    """What has changed (`plugin mine.py`, `package theirs`), and how many of these runs were finished before.

    Reads only manifests of runs with third-party plugins, and skips those that do not name the content.
    """
    found: Counter[str] = Counter()
    known: dict[
        tuple[int, ...], dict[str, str]
    ] = {}  # runs of a suite share their plugins, and whole packages are read
    for spec in runs:
        shared = tuple(map(id, (spec.problem, spec.trainer, spec.strategy, spec.initial, spec.proxy)))
        if shared not in known:
            known[shared] = others_code_of(spec, plugin_files)
        store = RunStore(root, spec.id)
        if not (now := known[shared]) or not store.done:
            continue
        try:
            noted = store.manifest().get("others_code", {})
        except StoreError:  # whatever reads the run for its results says so
            continue
        found.update(changed(noted, now))
    return dict(sorted(found.items()))
