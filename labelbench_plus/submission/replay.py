"""Doing parts of a submission again: training on what was bought, choosing a round again, or whole runs.

A cell is one round of one run: the model is trained again on the labels bought up to it, and scored. Where code,
versions and machine are those of the run, the scores must be equal to the last bit and the choice item by item.

Elsewhere one rounding can turn one item into another, and all that follow. Scores may differ by a stated tolerance, but
in no direction (`shift`). A choice must come again for the most part and in about its order; where it does not, nobody
is accused, but no run of that strategy in that setting counts as replayed: what it bought was not shown to be its
choice. Strategies that look at nothing choose alike everywhere (`blind`).
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labelbench_plus import questions
from labelbench_plus.budget import Ledger, Purchase
from labelbench_plus.contracts.problems import Place
from labelbench_plus.contracts.scores import ScoreError
from labelbench_plus.leaderboard.badges import Again
from labelbench_plus.loop import run as carry_on
from labelbench_plus.oracle import is_paid
from labelbench_plus.plugins import label
from labelbench_plus.running.chosen import Chosen
from labelbench_plus.seeding import Streams
from labelbench_plus.spec import RunSpec
from labelbench_plus.steps import Steps, select_here
from labelbench_plus.store.archive import ARCHIVE
from labelbench_plus.store.details import digest
from labelbench_plus.store.manifest import machine, manifest
from labelbench_plus.store.run_store import RunStore
from labelbench_plus.submission.blind import chooses_blind
from labelbench_plus.submission.findings import Finding, some
from labelbench_plus.submission.machines import same_machine
from labelbench_plus.submission.sample import Sample
from labelbench_plus.submission.shift import FEWEST, TOLERANCE, Difference, check_shift, favour

ENOUGH_OVERLAP = 0.9  # share of a round's items that must come again for the round to count as chosen alike
ENOUGH_ORDER = 0.5  # Kendall's τ of the items that came again: reversed it is −1, shuffled about 0
FEWEST_ORDERED = 5


@dataclass(eq=False)
class Replayed:
    """What came of it.

    Attributes
    ----------
    replayed, rerun: by run id, what agreed, in words. Runs with a problem are in neither.
    trained, chosen: by run id, the rounds that were trained and chosen again.
    differences: of the scores that rank, where the machine is not the run's own.
    unlike: strategies in their settings of which a choice did not come again.
    """

    findings: list[Finding] = field(default_factory=list)
    replayed: dict[str, list[str]] = field(default_factory=dict)
    rerun: dict[str, list[str]] = field(default_factory=dict)
    trained: dict[str, set[int]] = field(default_factory=dict)
    chosen: dict[str, set[int]] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)
    unlike: set[str] = field(default_factory=set)

    def rounds(self, specs: Mapping[str, RunSpec]) -> dict[str, Again]:
        """By run id, for those in `replayed`, which of its rounds were done again."""
        nothing: set[int] = set()
        return {
            run: Again(
                len(specs[run].amounts),
                frozenset(self.trained.get(run, nothing)),
                frozenset(self.chosen.get(run, nothing)),
            )
            for run in self.replayed
        }


def replay(
    runs: Sequence[dict[str, Any]],
    specs: Mapping[str, RunSpec],
    sample: Sample,
    place: Place,
    tolerance: float = TOLERANCE,
    told: Callable[[int, int], None] = lambda done, of: None,
    *,
    baseline: str = "random",
) -> Replayed:
    """Do a sample of a submission again and compare.

    Parameters
    ----------
    told: called after each part with how many of how many are done.
    baseline: the strategy that looks better where it is lowered.
    """
    by_id = {run["run"]: run for run in runs}
    done = Replayed()
    again = {
        identity: _Again(by_id[identity], specs[identity], place, tolerance, done, baseline)
        for identity in sorted({*(run for run, _ in (*sample.cells, *sample.choices)), *sample.whole})
    }
    # A choice comes right after the cell whose model makes it, which is kept that long.
    rounds = sorted(
        [(run, number, False) for run, number in sample.cells]
        + [(run, number - 1, True) for run, number in sample.choices]
    )
    count = len(rounds) + len(sample.whole)
    for number, (identity, after, chooses) in enumerate(rounds, start=1):
        again[identity].choose(after + 1) if chooses else again[identity].train(after)
        told(number, count)
    for number, identity in enumerate(sample.whole, start=len(rounds) + 1):
        again[identity].all_of_it()
        told(number, count)
    done.findings += check_shift(done.differences)
    _withhold(done, {identity: one.group for identity, one in again.items()})
    return done


def _withhold(done: Replayed, groups: Mapping[str, str]) -> None:
    """Take away what does not count as done again, and tell why where no problem tells it."""
    wrong = {finding.run for finding in done.findings if not finding.warning}
    withheld = {run for run, group in groups.items() if group in done.unlike}
    for group in sorted(done.unlike):
        what = "its choices did not come again here, so none of its runs counts as replayed: use the runs' own machine"
        done.findings.append(Finding(ARCHIVE, what, "", group, warning=True))
    elsewhere = {each.run for each in done.differences}
    if elsewhere and len({(each.run, each.round) for each in done.differences}) < FEWEST:
        what = "too few cells were retrained to tell whether their differences have a direction"
        found = str(len(done.differences))
        done.findings.append(Finding(ARCHIVE, what, "", "", f"at least {FEWEST}", found, warning=True))
        withheld |= elsewhere
    for of_run in (done.replayed, done.rerun):
        for run in (wrong | withheld) & of_run.keys():
            del of_run[run]


class _Again:
    """One run, done again in part. `group`: its strategy and setting, in words."""

    def __init__(
        self, run: dict[str, Any], spec: RunSpec, place: Place, tolerance: float, done: Replayed, baseline: str
    ) -> None:
        self._run, self._spec, self._place, self._done = run, spec, place, done
        self._alike = same_machine(machine(place.device), run["manifest"])
        self._tolerance = 0.0 if self._alike else tolerance
        self._purchases = [Purchase.from_json(record["purchase"]) for record in run["rounds"]]
        self._of_baseline = label(spec.strategy) == baseline
        self._oracle: Any = None
        self._last: tuple[RunSpec, int, Steps, Any] | None = None
        self.group = f"{label(spec.strategy)}, {label(spec.problem)} × {spec.trainer_label}"

    def train(self, number: int) -> None:
        """Train on what was bought up to a round and compare the scores."""
        steps, model = self._after(self._spec, number)
        try:
            ledger = Ledger(self._purchases[: number + 1])
            scored = steps.score(number, ledger, model, self._run["rounds"][0]["scores"])
        except ScoreError as error:
            self._tell("cannot be scored when it is retrained", f"rounds.{number}.scores", "finite scores", str(error))
            return
        self._compare(number, scored.scores, "retrained")
        self._compare_details(number, digest(scored.details) if scored.details else None, "retrained")
        self._done.trained.setdefault(self._run["run"], set()).add(number)
        self._note(self._done.replayed, f"retrained round {number}, {self._how()}")

    def choose(self, number: int) -> None:
        """Choose a round's items again, from what was bought before it, and compare."""
        steps, model = self._after(self._spec.selection, number - 1)
        before = Ledger(self._purchases[:number])
        if is_paid(steps.instance.oracle):
            items, prices = steps.would_sell(number, before, model)
            found = Purchase(items, prices, self._purchases[number].answers)  # which nobody asks for again
        else:
            found = steps.would_buy(number, before, model)
        if self._same_choice(number, found, "chosen again"):
            self._done.chosen.setdefault(self._run["run"], set()).add(number)
            self._note(self._done.replayed, f"chose round {number} again, {self._how()}")

    def all_of_it(self) -> None:
        """Do the run again from the start and compare every round."""
        if is_paid(self._opened()):
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
                agreed &= self._same_choice(record.number, record.purchase, "run again")
                if not agreed:
                    break  # what follows from another choice is another run
                self._compare(record.number, record.scores, "run again")
                self._compare_details(record.number, record.details, "run again")
        if agreed:
            self._note(self._done.rerun, f"ran again whole, {self._how()}")

    def _after(self, spec: RunSpec, number: int) -> tuple[Steps, Any]:
        """The steps of a run, and its model after a round; None before the first."""
        if self._last is None or self._last[:2] != (spec, number):
            steps = Steps.of(spec, self._place)
            model = steps.model_after(self._purchases[: number + 1]) if number >= 0 else None
            self._last = (spec, number, steps, model)
        return self._last[2:]

    def _opened(self) -> Any:
        """The oracle, for what can be asked without any training."""
        if self._oracle is None:
            self._oracle = self._spec.problem.open_to_check(self._place, Streams(self._spec.seed)).oracle
        return self._oracle

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
        metric, higher_is_better = self._spec.problem.primary_metric()
        for name, said in sorted(self._run["rounds"][number]["scores"].items()):
            found = scores.get(name)
            if found is None or not abs(found - said) <= self._tolerance * max(1.0, abs(said)):
                within = (
                    f" within {self._tolerance:g}" if self._tolerance else " to the last bit: same code and machine"
                )
                self._tell(
                    f"not what comes out when it is {how}", f"rounds.{number}.scores.{name}", f"{found}{within}", said
                )
            elif name == metric and not self._alike:
                gain = favour(said, found, higher_is_better, self._of_baseline)
                self._done.differences.append(Difference(self._run["run"], number, self.group, gain))

    def _compare_details(self, number: int, found: str | None, how: str) -> None:
        """Details have no tolerance: off the run's own machine one rounding makes another hash."""
        said = self._run["rounds"][number].get("details")
        if self._alike and found != said:
            self._tell(f"not what comes out when it is {how}", f"rounds.{number}.details", found, said)

    def _same_choice(self, number: int, found: Purchase, how: str) -> bool:
        """Whether a round's choice came again: all of it, or off the run's machine most of it in about its order."""
        said = self._purchases[number]
        mine, theirs = (self._units(purchase) for purchase in (found, said))
        if mine == theirs:
            return True
        common = Counter(dict(mine)) & Counter(dict(theirs))
        share = sum(common.values()) / max(1, *(sum(count for _, count in units) for units in (mine, theirs)))
        exact = self._alike or chooses_blind(self._spec.chooser(number))
        if not exact and share >= ENOUGH_OVERLAP and self._in_order(mine, theirs):
            return True
        self._tell(
            f"{share:.0%} of the items come when the round is {how}" + (", in another order" if share == 1 else ""),
            f"rounds.{number}.purchase.items",
            some(found.items.tolist()),
            some(said.items.tolist()),
            warning=not exact,
        )
        if not exact:
            self._done.unlike.add(self.group)
        return False

    def _units(self, purchase: Purchase) -> list[tuple[str, int]]:
        """What was chosen, in order, and how much of each: items, labels of a source, or pairs."""
        parts, counts = questions.of(self._spec.problem.query).parts(self._opened(), purchase)
        return list(zip(map(str, parts.tolist()), counts.tolist(), strict=True))

    @staticmethod
    def _in_order(mine: Sequence[tuple[str, int]], theirs: Sequence[tuple[str, int]]) -> bool:
        from scipy.stats import kendalltau

        places = [{name: place for place, (name, _) in enumerate(units)} for units in (mine, theirs)]
        common = [name for name in places[0] if name in places[1]]
        if len(common) < FEWEST_ORDERED:
            return True
        order = kendalltau(*([of[name] for name in common] for of in places)).statistic
        return bool(order >= ENOUGH_ORDER)

    def _tell(self, what: str, where: str, expected: Any, actual: Any, *, warning: bool = False) -> None:
        self._done.findings.append(Finding(ARCHIVE, what, self._run["run"], where, str(expected), str(actual), warning))

    def _note(self, notes: dict[str, list[str]], words: str) -> None:
        notes.setdefault(self._run["run"], []).append(words)

    def _how(self) -> str:
        return "equal to the last bit" if self._alike else f"within {self._tolerance:g}"
