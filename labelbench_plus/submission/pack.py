"""Making a submission of finished runs: their archive, what the leaderboard reads of them, and who sends them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from labelbench_plus.leaderboard.of_suite import results_of_suite
from labelbench_plus.leaderboard.results import write_results
from labelbench_plus.spec import RunSpec
from labelbench_plus.store import atomic
from labelbench_plus.store.archive import write_archive
from labelbench_plus.store.origins import unpublished
from labelbench_plus.store.run_store import RunStore, StoreError
from labelbench_plus.submission.bundle import SUBMISSION
from labelbench_plus.submission.planned import departures, plan_of
from labelbench_plus.submission.schema import Submission
from labelbench_plus.suite import Suite


class Undeclared(ValueError):
    """What is packed differs from the benchmark as published, and does not say so."""


def pack(
    suite: Suite, runs: Sequence[RunSpec], root: Path, folder: Path, *, who: str, contact: str, what: str,
    differences: Sequence[str] = (), planned: Suite | None = None, details: bool = False,
) -> int:  # fmt: skip
    """Write finished runs of a suite as a submission. The same runs and words give the same bytes. Returns how many.

    Parameters
    ----------
    runs: which of the suite's; all of them are below `root`.
    who, contact, what, differences: see `schema.Submission`.
    planned: the suite without overrides, where some leave out what it would have run; `suite` itself if left out.
    details: see `store.archive.write_archive`.

    Raises
    ------
    StoreError
        A run is not finished, or its files contradict each other.
    Undeclared
        A run used a plugin that nobody else can install, and no difference is declared.
    pydantic.ValidationError
        `contact` is no address, or something is empty.
    """
    stores = [RunStore(root, spec.id) for spec in runs]
    if unfinished := [str(spec) for spec, store in zip(runs, stores, strict=True) if not store.done]:
        raise StoreError(f"{len(unfinished)} of {len(runs)} runs are not finished, first {unfinished[0]}")
    if not differences and (own := next(filter(None, (unpublished(store.manifest()) for store in stores)), None)):
        raise Undeclared(f"nobody else can install {', '.join(own)}: say what it is, or publish it and run again")
    codes = {(code["commit"], code["dirty"]) for store in stores for code in [store.manifest()["code"]]}
    plan = plan_of(planned or suite, suite)
    submission = Submission.model_validate(
        {
            "format": 2,
            "who": who,
            "contact": contact,
            "what": what,
            "suites": [suite.suite],
            "baseline": suite.baseline,
            "code": [{"commit": commit, "dirty": dirty} for commit, dirty in sorted(codes, key=str)],
            "differences": list(differences),
            "planned": plan.model_dump(),
        }
    )
    results = results_of_suite(suite, runs, root)
    # A heading is free text of whoever sends it: the board of a submission bears its suite's name.
    meta = replace(
        results.meta, title=suite.suite, notes=(*results.meta.notes, *departures(plan, runs, suite.baseline))
    )
    write_results(replace(results, meta=meta), folder)
    count = write_archive(stores, folder / "runs.jsonl.gz", details=details)
    atomic.replace(folder / SUBMISSION, (json.dumps(submission.model_dump(), indent=1, sort_keys=True) + "\n").encode())
    return count
