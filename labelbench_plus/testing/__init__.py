"""The conformance kit: what guarantees that a plugin behaves, for built-in ones and a stranger's alike.

`check_strategy`, `check_trainer`, `check_problem` and `check_encoder` return a `Report`; `parametrize_checks` makes a
test of every check; `lbp check` is the same from the command line.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from labelbench_plus.testing.report import ConformanceError, Outcome, Report

if TYPE_CHECKING:
    from labelbench_plus.testing.checks import Checks

__all__ = [
    "ConformanceError",
    "Outcome",
    "Report",
    "check_strategy",
]

NOTHING_EXPECTED: Mapping[str, str] = MappingProxyType({})


def check_strategy(
    subject: Any,
    *,
    expected_failures: Mapping[str, str] = NOTHING_EXPECTED,
    quick: bool = False,
    raise_on_fail: bool = False,
) -> Report:
    """Check a strategy.

    Parameters
    ----------
    subject: a registered name, a class whose hyperparameters all have defaults, or an instance.
    expected_failures: id of a check -> why it is right that it fails. Strict: it must fail.
    quick: leave out what takes seconds: the cost on 50,000 × 512, measured in a process of its own, and the toy curve.
    raise_on_fail: raise ConformanceError, with the report as its message.
    """
    from labelbench_plus.testing.strategy_checks import CHECKS, SLOW, Trial

    checks = [check for check in CHECKS.all if not (quick and check.id in SLOW)]
    return _carry_out(subject, "strategies", checks, Trial, expected_failures, raise_on_fail)


def _carry_out(
    subject: Any, kind: str, checks: Any, context: Any, expected_failures: Mapping[str, str], raise_on_fail: bool
) -> Report:
    from labelbench_plus.plugins import label
    from labelbench_plus.testing.checks import carry_out
    from labelbench_plus.testing.subject import as_plugin

    plugin = as_plugin(subject, kind)
    name = label(plugin) if hasattr(plugin, "name") else type(plugin).__name__
    report = carry_out(name, checks, context(plugin), expected_failures)
    if raise_on_fail:
        report.raise_if_failed()
    return report
