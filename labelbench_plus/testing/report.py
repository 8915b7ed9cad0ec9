"""What a conformance check is, what came of it, and the report over all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from labelbench_plus.faults import did_you_mean

Status = Literal["passed", "failed", "skipped", "expected"]


class Failure(Exception):
    """A demand was not met. `check` is the id of the demand, whichever check came upon it."""

    def __init__(self, check: str, what: str) -> None:
        super().__init__(what)
        self.check = check


class Skip(Exception):
    """A check has nothing to say about this plugin. The message is the reason."""


class ConformanceError(AssertionError):
    """A plugin failed its checks. The message is the report."""


@dataclass(frozen=True)
class Outcome:
    """What came of one check.

    Attributes
    ----------
    id, meaning: which demand, in words. fix: what to do when it is not met.
    status: "expected" is a failure that was announced with a reason.
    detail: what went wrong, why it was skipped, or what was found.
    """

    id: str
    meaning: str
    fix: str
    status: Status
    detail: str = ""

    def __str__(self) -> str:
        line = f"{self.status:<8}  {self.id}: {self.meaning}"
        if self.status == "failed":
            return f"{line}\n            {self.detail}\n            fix: {self.fix}"
        return f"{line} ({self.detail})" if self.detail else line


@dataclass(frozen=True)
class Report:
    """The outcomes of all checks of one plugin, in a fixed order."""

    subject: str
    outcomes: tuple[Outcome, ...]

    @property
    def failed(self) -> list[str]:
        """Ids of the checks that failed and were not expected to."""
        return [outcome.id for outcome in self.outcomes if outcome.status == "failed"]

    @property
    def passed(self) -> bool:
        """Whether nothing failed. What was skipped says why."""
        return not self.failed

    def __getitem__(self, check: str) -> Outcome:
        return next(outcome for outcome in self.outcomes if outcome.id == check)

    def as_json(self) -> dict[str, Any]:
        return {
            "subject": self.subject,
            "passed": self.passed,
            "checks": [vars(outcome) for outcome in self.outcomes],
        }

    def __str__(self) -> str:
        counts = dict.fromkeys(("passed", "failed", "expected", "skipped"), 0)
        for outcome in self.outcomes:
            counts[outcome.status] += 1
        told = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
        return "\n".join([f"{self.subject}: {told}", *map(str, self.outcomes)])

    def raise_if_failed(self) -> None:
        """Raises ConformanceError with the whole report if a check failed."""
        if not self.passed:
            raise ConformanceError(str(self))


def held_to(outcomes: Iterable[Outcome], expected: Mapping[str, str]) -> tuple[Outcome, ...]:
    """Outcomes, with announced failures set apart.

    Strict: a check that was announced to fail and does not is a failure itself, or the announcement would outlive its
    reason.

    Raises
    ------
    ValueError
        An announced id is no check.
    """
    found = list(outcomes)
    if unknown := sorted(set(expected) - {outcome.id for outcome in found}):
        known = [outcome.id for outcome in found]
        hint = did_you_mean(unknown[0], known)
        raise ValueError(
            f"expected failures: no such check as {', '.join(unknown)}; there are {', '.join(known)}{hint}"
        )
    judged = []
    for outcome in found:
        if outcome.id in expected and outcome.status != "skipped":
            if outcome.status == "failed":
                status, detail = "expected", f"{expected[outcome.id]}; {outcome.detail}"
            else:
                status, detail = "failed", f"announced to fail ({expected[outcome.id]}), but it passes: say so no more"
            outcome = Outcome(outcome.id, outcome.meaning, outcome.fix, status, detail)  # type: ignore[arg-type]
        judged.append(outcome)
    return tuple(judged)
