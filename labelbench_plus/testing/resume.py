"""Runs that are cut after every round and go on from their files, beside one that is never cut."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

from labelbench_plus.contracts.problems import Place
from labelbench_plus.loop import run
from labelbench_plus.spec import RunSpec
from labelbench_plus.store.run_store import RoundRecord, RunStore
from labelbench_plus.testing.report import Failure
from labelbench_plus.testing.subject import fresh


class _Cut(BaseException):
    """The run ends here, as if it had been killed."""


def check_resumes(spec: RunSpec, folder: Path) -> None:
    """Carry a run out in one go, and once more from its files after every round, and compare all bytes.

    Raises
    ------
    Failure
        "resume": the two differ, or the second cannot go on.
    """
    whole, cut = (RunStore(folder / name, spec.id) for name in ("whole", "cut"))
    carry_on(spec, whole, folder, until=None)
    for number in range(len(spec.amounts)):
        try:
            carry_on(spec, cut, folder, until=number)
        except Exception as error:  # whatever third-party code raises: without a cut it raised nothing
            what = f"cut before round {number}, it cannot resume from its files: {type(error).__name__}: {error}"
            raise Failure("resume", what) from error
        name = f"{number:04d}.json"
        first, again = ((store.folder / "rounds" / name).read_bytes() for store in (whole, cut))
        if first != again:
            raise Failure("resume", f"round {number} is another after a cut: {_difference(first, again)}")
    carry_on(spec, cut, folder, until=None)  # nothing is left to do but to finish
    if (whole.folder / "result.json").read_bytes() != (cut.folder / "result.json").read_bytes():
        raise Failure("resume", "the results differ, though no round does")


def carry_on(spec: RunSpec, store: RunStore, folder: Path, until: int | None) -> None:
    """Go on with a run until a round is committed, or to its end; everything but its files is forgotten in between."""
    again = replace(spec, problem=fresh(spec.problem), trainer=fresh(spec.trainer), strategy=fresh(spec.strategy))

    def listener(record: RoundRecord, costs: dict[str, float | None]) -> None:
        if record.number == until:
            raise _Cut

    lease = store.open(spec, {})
    with contextlib.suppress(_Cut):
        run(again, store, lease, Place(folder / "cache"), listener)
    lease.release("finished")


def _difference(first: bytes, again: bytes, width: int = 40) -> str:
    start = next((i for i, (a, b) in enumerate(zip(first, again, strict=False)) if a != b), 0)
    shown = (content[max(start - 20, 0) : start + width].decode(errors="replace") for content in (first, again))
    return " … instead of … ".join(shown)
