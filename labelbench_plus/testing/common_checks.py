"""What is asked alike of every kind of plugin that is simply called and returns something."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from labelbench_plus.plugins import Plugin
from labelbench_plus.testing.checks import Checks
from labelbench_plus.testing.report import Failure
from labelbench_plus.testing.subject import check_hyperparameters, check_pickles
from labelbench_plus.testing.witness import same


class Subject(Protocol):
    """A plugin and the ways to use it."""

    @property
    def plugin(self) -> Plugin:
        """The plugin itself."""

    def ordinary(self) -> Any:
        """What it makes of the plainest there is; in the end the process must be as it was (`witness.watched`)."""


def add_common(checks: Checks[Any], kind: str, comparable: Callable[[Any], Any] = lambda made: made) -> None:
    """Add the checks of hyperparameters, of what is random, of the process's state, and of pickling.

    Parameters
    ----------
    kind: as the registry calls it.
    comparable: makes of what it made something that can be compared bit by bit.
    """

    @checks.add(
        "hyperparameters",
        "its record in a run builds an equal one; unknown hyperparameters are refused",
        "use numbers, strings, booleans, tuples of these and other plugins as fields; do not change them",
    )
    def _hyperparameters(subject: Subject) -> str:
        return check_hyperparameters(subject.plugin, kind)

    @checks.add(
        "repeatable",
        "from the same it makes the same, bit for bit",
        "draw from the generator that is handed in alone, and keep nothing from call to call",
    )
    def _repeatable(subject: Subject) -> None:
        first, again = (comparable(subject.ordinary()) for _ in range(2))
        if not same(first, again):
            raise Failure("repeatable", "the second time something else came out")

    @checks.add(
        "global_random",
        "it neither draws from nor seeds the global generators of NumPy, torch and Python",
        "draw from the generator that is handed in, and hand it on to libraries",
    )
    def _global_random(subject: Subject) -> None:
        subject.ordinary()

    @checks.add(
        "global_settings",
        "it changes no setting of the process: dtype, threads, gradients, error handling, folder, environment",
        "use the context managers instead of the setters",
    )
    def _global_settings(subject: Subject) -> None:
        subject.ordinary()

    @checks.add("pickles", "it can be sent to another process", "define the class at the top of a module")
    def _pickles(subject: Subject) -> None:
        check_pickles(subject.plugin)
