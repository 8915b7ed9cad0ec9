"""Doing parts of a submission again: training on what was bought, choosing a round again, or whole runs.

A cell is one round of one run: the model is trained again on the labels bought up to it, and scored. Where code,
versions and machine are those of the run, the scores must be equal to the last bit and the choice item by item.
Elsewhere scores may differ by a stated tolerance, and a choice that differs is told, not condemned: one rounding can
turn one item into another, and all that follow.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator

from labelbench_plus.budget import Ledger, Purchase
from labelbench_plus.contracts.problems import Place
from labelbench_plus.contracts.scores import ScoreError
from labelbench_plus.loop import run as carry_on
from labelbench_plus.oracle import is_paid
from labelbench_plus.running.chosen import Chosen
from labelbench_plus.seeding import Streams
from labelbench_plus.spec import RunSpec
from labelbench_plus.steps import Steps, select_here
from labelbench_plus.store.archive import ARCHIVE
from labelbench_plus.store.details import digest
from labelbench_plus.store.manifest import machine, manifest
from labelbench_plus.store.run_store import RunStore
from labelbench_plus.submission.findings import Finding, some

FINGERPRINT = ("code", "python", "packages", "system", "cpu", "threads", "device", "cuda")
TOLERANCE = 0.01
"""How far a score may be off where versions or machine differ: absolute for scores up to 1, else relative."""
ENOUGH_OVERLAP = 0.9  # share of a round's items that must come again for the round to count as chosen alike


@dataclass(frozen=True)
class Sample:
    """What is done again: cells (run, round) to train, rounds (run, round) to choose, and runs to do from the start."""

    cells: tuple[tuple[str, int], ...]
    choices: tuple[tuple[str, int], ...]
    whole: tuple[str, ...]


@dataclass(eq=False)
class Replayed:
    """What came of it. `replayed`, `rerun`: by run id, what agreed, in words; runs with a problem are in neither."""

    findings: list[Finding] = field(default_factory=list)
    replayed: dict[str, list[str]] = field(default_factory=dict)
    rerun: dict[str, list[str]] = field(default_factory=dict)


def draw(specs: Mapping[str, RunSpec], cells: int, whole: int, rng: Generator) -> Sample:
    """Draw what is done again: cells without repetition, one later round to choose again for each of their runs' first
    cell (at most one), and whole runs."""
    every = [(identity, number) for identity in sorted(specs) for number in range(len(specs[identity].amounts))]
    drawn = [every[index] for index in rng.permutation(len(every))[:cells]]
    later = [identity for identity, _ in drawn if len(specs[identity].amounts) > 1]
    choices = ((later[0], int(rng.integers(1, len(specs[later[0]].amounts)))),) if later else ()
    runs = [sorted(specs)[index] for index in rng.permutation(len(specs))[:whole]]
    return Sample(tuple(sorted(drawn)), choices, tuple(sorted(runs)))


def replay(
    runs: Sequence[dict[str, Any]],
    specs: Mapping[str, RunSpec],
    sample: Sample,
    place: Place,
    tolerance: float = TOLERANCE,
    told: Callable[[int, int], None] = lambda done, of: None,
) -> Replayed:
    """Do a sample of a submission again and compare.

    Parameters
    ----------
    told: called after each part with how many of how many are done.
    """
    by_id = {run["run"]: run for run in runs}
    done = Replayed()
    parts: list[Callable[[], None]] = []
    for identity, number in sample.cells:
        again = _Again(by_id[identity], specs[identity], place, tolerance, done)
        parts.append(lambda again=again, number=number: again.train(number))  # type: ignore[misc]
    for identity, number in sample.choices:
        again = _Again(by_id[identity], specs[identity], place, tolerance, done)
        parts.append(lambda again=again, number=number: again.choose(number))  # type: ignore[misc]
    for identity in sample.whole:
        again = _Again(by_id[identity], specs[identity], place, tolerance, done)
        parts.append(again.all_of_it)
    for count, part in enumerate(parts, start=1):
        part()
        told(count, len(parts))
    wrong = {finding.run for finding in done.findings if not finding.warning}
    done.replayed = {run: words for run, words in done.replayed.items() if run not in wrong}
    done.rerun = {run: words for run, words in done.rerun.items() if run not in wrong}
    return done


class _Again:
    """One run, done again in part."""

    def __init__(self, run: dict[str, Any], spec: RunSpec, place: Place, tolerance: float, done: Replayed) -> None:
        self._run, self._spec, self._place, self._done = run, spec, place, done
        mine, theirs = machine(place.device), run["manifest"]
        self._alike = mine["code"]["commit"] is not None and all(mine.get(k) == theirs.get(k) for k in FINGERPRINT)
        self._tolerance = 0.0 if self._alike else tolerance
        self._purchases = [Purchase.from_json(record["purchase"]) for record in run["rounds"]]

    def train(self, number: int) -> None:
        """Train on what was bought up to a round and compare the scores."""
        steps = Steps.of(self._spec, self._place)
        model = steps.model_after(self._purchases[: number + 1])
        try:
            scored = steps.score(number, model, self._run["rounds"][0]["scores"])
        except ScoreError as error:
            self._tell("cannot be scored when it is retrained", f"rounds.{number}.scores", "finite scores", str(error))
            return
        self._compare(number, scored.scores, "retrained")
        self._compare_details(number, digest(scored.details) if scored.details else None, "retrained")
        self._note(self._done.replayed, f"retrained round {number}, {self._how()}")

    def choose(self, number: int) -> None:
        """Choose a round's items again, from what was bought before it, and compare."""
        steps, before = Steps.of(self._spec.selection, self._place), self._purchases[:number]
        items = steps.would_buy(number, Ledger([*before]), steps.model_after(before))
        if self._same_items(number, items, "chosen again"):
            self._note(self._done.replayed, f"chose round {number} again, {self._how()}")

    def all_of_it(self) -> None:
        """Do the run again from the start and compare every round."""
        if is_paid(self._spec.problem.open_to_check(self._place, Streams(self._spec.seed)).oracle):
            what = "is not run again, as somebody would be paid for its answers"
            self._tell(what, "config.problem", "a problem that costs nothing", self._spec.problem.name, warning=True)
            return
        with tempfile.TemporaryDirectory() as folder:
            chosen = None
            if self._spec.proxy is not None:
                chosen = Chosen.of(self._carry_out(self._spec.selection, Path(folder)))
            try:
                store = self._carry_out(self._spec, Path(folder), chosen)
            except ScoreError as error:
                self._tell("cannot be scored when it is run again", "rounds", "finite scores", str(error))
                return
            agreed = True
            for record in store.rounds():
                agreed &= self._same_items(record.number, record.purchase.items, "run again")
                if not agreed:
                    break  # what follows from another choice is another run
                self._compare(record.number, record.scores, "run again")
                self._compare_details(record.number, record.details, "run again")
        if agreed:
            self._note(self._done.rerun, f"ran again whole, {self._how()}")

    def _carry_out(self, spec: RunSpec, root: Path, chosen: Chosen | None = None) -> RunStore:
        store = RunStore(root, spec.id)
        lease = store.open(spec, manifest(spec, self._place.device, chosen.provenance if chosen else None))
        select = chosen.select(0) if chosen else select_here
        try:
            carry_on(spec, store, lease, self._place, lambda record, costs: None, select)
        finally:
            lease.release("finished")
        return store

    def _compare(self, number: int, scores: Mapping[str, float], how: str) -> None:
        for name, said in sorted(self._run["rounds"][number]["scores"].items()):
            found = scores.get(name)
            if found is None or not abs(found - said) <= self._tolerance * max(1.0, abs(said)):
                within = (
                    f" within {self._tolerance:g}" if self._tolerance else " to the last bit: same code and machine"
                )
                self._tell(
                    f"not what comes out when it is {how}", f"rounds.{number}.scores.{name}", f"{found}{within}", said
                )

    def _compare_details(self, number: int, found: str | None, how: str) -> None:
        """Details have no tolerance: off the run's own machine one rounding makes another hash."""
        said = self._run["rounds"][number].get("details")
        if self._alike and found != said:
            self._tell(f"not what comes out when it is {how}", f"rounds.{number}.details", found, said)

    def _same_items(self, number: int, found: np.ndarray, how: str) -> bool:
        said = self._purchases[number].items
        if np.array_equal(found, said):
            return True
        mine, theirs = ({str(item) for item in items.tolist()} for items in (found, said))
        share = len(mine & theirs) / max(len(mine), len(theirs), 1)
        enough = not self._alike and share >= ENOUGH_OVERLAP
        what = f"{share:.0%} of the items come when the round is {how}"
        expected = some(found.tolist())
        self._tell(what, f"rounds.{number}.purchase.items", expected, some(said.tolist()), warning=not self._alike)
        return enough

    def _tell(self, what: str, where: str, expected: Any, actual: Any, *, warning: bool = False) -> None:
        self._done.findings.append(Finding(ARCHIVE, what, self._run["run"], where, str(expected), str(actual), warning))

    def _note(self, notes: dict[str, list[str]], words: str) -> None:
        notes.setdefault(self._run["run"], []).append(words)

    def _how(self) -> str:
        return "equal to the last bit" if self._alike else f"within {self._tolerance:g}"
