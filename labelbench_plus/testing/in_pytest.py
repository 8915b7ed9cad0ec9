"""Every check a test of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from labelbench_plus.contracts.encoders import Encoder
from labelbench_plus.contracts.problems import Problem
from labelbench_plus.contracts.strategies import Strategy
from labelbench_plus.contracts.trainers import Trainer
from labelbench_plus.testing import encoder_checks, problem_checks, strategy_checks, trainer_checks
from labelbench_plus.testing.kit import check_encoder, check_problem, check_strategy, check_trainer
from labelbench_plus.testing.report import ConformanceError, Report


@dataclass
class _Lazily:
    """A report that is made when its first check is asked for."""

    make: Callable[[], Report]
    kept: list[Report] = field(default_factory=list)

    def report(self) -> Report:
        if not self.kept:
            self.kept.append(self.make())
        return self.kept[0]


@dataclass(frozen=True)
class CheckOf:
    """What a test made by `parametrize_checks` is given. Calling it passes, fails, skips or fails as expected."""

    id: str
    source: _Lazily

    def __call__(self) -> None:
        import pytest

        outcome = self.source.report()[self.id]
        if outcome.status == "skipped":
            pytest.skip(outcome.detail)
        if outcome.status == "expected":
            pytest.xfail(outcome.detail)
        if outcome.status == "failed":
            raise ConformanceError(str(outcome))


def parametrize_checks(
    subject: Any, *, expected_failures: Mapping[str, str] | None = None, quick: bool = False
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorator that makes of one test a test for each check of a plugin.

        @parametrize_checks(MyStrategy)
        def test_conformance(check):
            check()

    Parameters
    ----------
    subject: a class whose hyperparameters all have defaults, or an instance.
    expected_failures, quick: see `check_strategy`.

    Raises
    ------
    TypeError
        No strategy, trainer, problem or encoder.
    """
    import pytest

    expected = dict(expected_failures or {})
    cls = subject if isinstance(subject, type) else type(subject)

    def of_strategy() -> Report:
        return check_strategy(subject, expected_failures=expected, quick=quick)

    kinds: tuple[tuple[type, list[str], Callable[[], Report]], ...] = (
        (Strategy, strategy_checks.ids(quick=quick), of_strategy),
        (Trainer, trainer_checks.CHECKS.ids, lambda: check_trainer(subject, expected_failures=expected)),
        (Problem, problem_checks.CHECKS.ids, lambda: check_problem(subject, expected_failures=expected)),
        (Encoder, encoder_checks.CHECKS.ids, lambda: check_encoder(subject, expected_failures=expected)),
    )
    for base, ids, make in kinds:
        if issubclass(cls, base):
            source = _Lazily(make)
            return pytest.mark.parametrize("check", [CheckOf(name, source) for name in ids], ids=ids)
    raise TypeError(f"{cls.__name__} is no strategy, trainer, problem or encoder: there are no checks of it")
