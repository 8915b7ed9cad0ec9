"""Every check a test of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from labelbench_plus.plugins import registry
from labelbench_plus.testing.kit import CHECKED, check_plugin, checks_of
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
    subject: a class whose hyperparameters all have defaults or that declares an `example`, or an instance.
    expected_failures, quick: see `check_strategy`.

    Raises
    ------
    TypeError
        A plugin of a kind that there are no checks of, or no plugin.
    """
    import pytest

    cls = subject if isinstance(subject, type) else type(subject)
    kind = next((kind for kind in CHECKED if issubclass(cls, registry(kind).base)), None)
    if kind is None:
        raise TypeError(f"{cls.__name__} is none of the kinds {', '.join(CHECKED)}: there are no checks for it")
    expected = dict(expected_failures or {})
    source = _Lazily(lambda: check_plugin(kind, subject, expected_failures=expected, quick=quick))
    ids = [check.id for check in checks_of(kind).chosen(quick=quick)]
    return pytest.mark.parametrize("check", [CheckOf(name, source) for name in ids], ids=ids)
