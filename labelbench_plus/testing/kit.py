"""Checking one plugin: a function a kind, from a name, a class or an instance to a report."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from labelbench_plus.testing.report import Report

if TYPE_CHECKING:
    import numpy as np

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
    from labelbench_plus.testing.strategy_checks import CHECKS, Trial, ids

    wanted = ids(quick=quick)
    checks = [check for check in CHECKS.all if check.id in wanted]
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
