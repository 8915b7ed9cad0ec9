"""Runs that were published before: whoever computes one again finds what is known of it, or is not believed."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from labelbench_plus.leaderboard.results import SUBMISSION
from labelbench_plus.plugins import label
from labelbench_plus.spec import RunSpec
from labelbench_plus.store.archive import ARCHIVE
from labelbench_plus.submission.findings import Finding
from labelbench_plus.submission.machines import same_machine
from labelbench_plus.submission.shift import TOLERANCE, Difference, check_shift, favour

RUN = re.compile(rb'"run":"([0-9a-f]{16})"')
FAR = 5 * TOLERANCE  # nets that are trained elsewhere may end as far apart, but not farther


def published_beside(folder: Path, runs: Sequence[Mapping[str, Any]]) -> list[Path]:
    """The folders beside a submission that nobody had to sign and that hold one of its runs: where it will lie."""
    ids = {run["run"].encode() for run in runs}
    found = []
    for archive in sorted(folder.resolve().parent.glob(f"*/{ARCHIVE}")):
        if archive.parent == folder.resolve() or (archive.parent / SUBMISSION).exists():
            continue
        try:
            with gzip.open(archive, "rb") as lines:
                if any(ids.intersection(RUN.findall(line)) for line in lines):
                    found.append(archive.parent)
        except (OSError, EOFError, zlib.error):
            continue
    return found


def check_published(
    runs: Sequence[Mapping[str, Any]],
    published: Sequence[Mapping[str, Any]],
    specs: Mapping[str, RunSpec],
    baseline: str,
) -> Iterator[Finding]:
    """Whether runs that were published before, the baseline's above all, bought and scored as they did then.

    To the last bit if they claim to come from the same machine; else about so, and in no direction, up to the first
    round in which another choice was made, of which a warning tells.
    """
    known = {run["run"]: run for run in published}
    differences: list[Difference] = []
    for run in runs:
        if (before := known.get(run["run"])) is None or (spec := specs.get(run["run"])) is None:
            continue
        alike = same_machine(run["manifest"], before["manifest"])
        metric, higher_is_better = spec.problem.primary_metric()
        of_baseline = label(spec.strategy) == baseline
        for record, other in zip(run["rounds"], before["rounds"], strict=False):
            place = f"rounds.{record['round']}"
            if record["purchase"] != other["purchase"]:
                what = "bought something else than the same run that is published"
                yield Finding(ARCHIVE, what, run["run"], f"{place}.purchase", warning=not alike)
                break  # what follows from another choice is another run
            for name, said in sorted(record["scores"].items()):
                if (due := other["scores"].get(name)) is None:
                    continue
                off = abs(said - due) / max(1.0, abs(due))
                if off > (0.0 if alike else TOLERANCE):
                    what, odd = "not the score of the same run that is published", not alike and off <= FAR
                    yield Finding(ARCHIVE, what, run["run"], f"{place}.scores.{name}", str(due), str(said), odd)
                if name == metric and not alike:
                    gain = favour(said, due, higher_is_better, of_baseline)
                    group = f"{label(spec.strategy)}, {label(spec.problem)} × {spec.trainer_label}"
                    differences.append(Difference(run["run"], record["round"], group, gain))
    yield from check_shift(differences, "the same runs that are published")
