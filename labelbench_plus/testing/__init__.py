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
    import numpy as np

__all__ = [
    "ConformanceError",
    "Outcome",
    "Report",
    "check_encoder",
    "check_problem",
    "check_strategy",
    "check_trainer",
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


def check_trainer(
    subject: Any, *, expected_failures: Mapping[str, str] = NOTHING_EXPECTED, raise_on_fail: bool = False
) -> Report:
    """Check a trainer, on a small problem of its task. See `check_strategy` for the parameters."""
    from labelbench_plus.testing.trainer_checks import CHECKS, Fits

    return _carry_out(subject, "trainers", CHECKS.all, Fits, expected_failures, raise_on_fail)


def check_problem(
    subject: Any, *, expected_failures: Mapping[str, str] = NOTHING_EXPECTED, raise_on_fail: bool = False
) -> Report:
    """Check a problem. See `check_strategy` for the parameters."""
    from labelbench_plus.testing.problem_checks import CHECKS, Opened

    return _carry_out(subject, "problems", CHECKS.all, Opened, expected_failures, raise_on_fail)


def check_encoder(
    subject: Any,
    *,
    inputs: np.ndarray | None = None,
    expected_failures: Mapping[str, str] = NOTHING_EXPECTED,
    raise_on_fail: bool = False,
) -> Report:
    """Check an encoder, on `inputs` (n, ...) or on images and vectors of the kit. See `check_strategy` for the rest."""
    from labelbench_plus.testing.encoder_checks import CHECKS, Encoding

    def context(encoder: Any) -> Encoding:
        return Encoding(encoder, inputs)

    return _carry_out(subject, "encoders", CHECKS.all, context, expected_failures, raise_on_fail)


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
