"""Carrying out checks: each is a function that passes, fails under its own or another check's id, or has no say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from labelbench_plus.testing.report import Failure, Outcome, Report, Skip, Status, held_to
from labelbench_plus.testing.witness import undone

Context = TypeVar("Context")


@dataclass(frozen=True)
class Check(Generic[Context]):
    """A demand on a plugin.

    Attributes
    ----------
    id, meaning, fix: see `Outcome`.
    body: returns what was found, for those who read the report, or nothing.
    essential: without it the checks after it have nothing to say.
    slow: whether it takes seconds, so that who is in a hurry leaves it out.
    """

    id: str
    meaning: str
    fix: str
    body: Callable[[Context], str | None]
    essential: bool = False
    slow: bool = False


class Checks(Generic[Context]):
    """A list of checks that functions add themselves to.

    Parameters
    ----------
    context: makes of a plugin what the checks' bodies are given.
    """

    def __init__(self, context: Callable[..., Context]) -> None:
        self.context = context
        self.all: list[Check[Context]] = []

    def add(
        self, name: str, meaning: str, fix: str, *, essential: bool = False, slow: bool = False
    ) -> Callable[[Callable[[Context], str | None]], None]:
        """Decorator that makes a function the body of a new check."""

        def keep(body: Callable[[Context], str | None]) -> None:
            self.all.append(Check(name, meaning, fix, body, essential, slow))

        return keep

    def chosen(self, *, quick: bool) -> list[Check[Context]]:
        """All of them, or those that take no seconds."""
        return [check for check in self.all if not (quick and check.slow)]


def carry_out(
    subject: str, checks: Sequence[Check[Context]], context: Context, expected_failures: Mapping[str, str]
) -> Report:
    """Carry out checks in their order.

    A failure counts against the check whose demand was not met, which need not be the one that came upon it: that one
    could not be finished and is skipped.
    """
    found: dict[str, tuple[Status, str]] = {}
    blamed: dict[str, str] = {}
    missing = ""
    for check in checks:
        if missing:
            found[check.id] = ("skipped", f"not without '{missing}'")
            continue
        try:
            with undone():  # third-party faults must not reach the checks after it, nor the tests
                found[check.id] = ("passed", check.body(context) or "")
        except Skip as reason:
            found[check.id] = ("skipped", str(reason))
        except Failure as failure:
            blamed.setdefault(failure.check, str(failure))
            if failure.check != check.id:
                found[check.id] = ("skipped", f"not finished: see '{failure.check}'")
        except Exception as error:  # whatever third-party code raises, the other checks go on
            blamed.setdefault(check.id, f"{type(error).__name__}: {error}")
        if check.essential and check.id in blamed:
            missing = check.id
    found |= {name: ("failed", detail) for name, detail in blamed.items()}
    outcomes = [Outcome(check.id, check.meaning, check.fix, *found[check.id]) for check in checks]
    return Report(subject, held_to(outcomes, expected_failures))
