"""Checking one plugin: a function a kind, from a name, a class or an instance to a report."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from labelbench_plus.testing.report import Report

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from labelbench_plus.testing.checks import Checks

NOTHING_EXPECTED: Mapping[str, str] = MappingProxyType({})
CHECKED = (
    "strategies", "trainers", "problems", "encoders", "datasets", "metrics", "conditions", "networks", "augmentations",
    "combiners", "bases", "synthesisers", "annotators",
)  # fmt: skip
"""The kinds of plugins that there are checks of."""


def checks_of(kind: str) -> Checks[Any]:
    """The checks of a kind of plugin, one module a kind."""
    from labelbench_plus.plugins import registry

    module = importlib.import_module(f"labelbench_plus.testing.{registry(kind).kind}_checks")
    checks: Checks[Any] = module.CHECKS
    return checks


def check_plugin(
    kind: str,
    subject: Any,
    *,
    expected_failures: Mapping[str, str] = NOTHING_EXPECTED,
    quick: bool = False,
    raise_on_fail: bool = False,
    **given: Any,
) -> Report:
    """Check a plugin of one of the kinds `CHECKED`; see `check_strategy`. `given` is what checks of its kind take."""
    from labelbench_plus.plugins import label
    from labelbench_plus.testing.checks import carry_out
    from labelbench_plus.testing.subject import as_plugin

    plugin, checks = as_plugin(subject, kind), checks_of(kind)
    name = label(plugin) if hasattr(plugin, "name") else type(plugin).__name__
    report = carry_out(name, checks.chosen(quick=quick), checks.context(plugin, **given), expected_failures)
    if raise_on_fail:
        report.raise_if_failed()
    return report


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
    subject: a registered name, a class whose hyperparameters all have defaults or that declares an `example`, or an
        instance.
    expected_failures: id of a check -> why it is right that it fails. Strict: it must fail.
    quick: skip the slow checks: the cost on 50,000 × 512, measured in a separate process, and the toy curve.
    raise_on_fail: raise ConformanceError, with the report as its message.
    """
    return check_plugin(
        "strategies", subject, expected_failures=expected_failures, quick=quick, raise_on_fail=raise_on_fail
    )


def check_trainer(
    subject: Any, *, expected_failures: Mapping[str, str] = NOTHING_EXPECTED, raise_on_fail: bool = False
) -> Report:
    """Check a trainer, on a small problem of its task. See `check_strategy` for the parameters."""
    return check_plugin("trainers", subject, expected_failures=expected_failures, raise_on_fail=raise_on_fail)


def check_problem(
    subject: Any, *, expected_failures: Mapping[str, str] = NOTHING_EXPECTED, raise_on_fail: bool = False
) -> Report:
    """Check a problem. See `check_strategy` for the parameters."""
    return check_plugin("problems", subject, expected_failures=expected_failures, raise_on_fail=raise_on_fail)


def check_encoder(
    subject: Any,
    *,
    inputs: np.ndarray | None = None,
    expected_failures: Mapping[str, str] = NOTHING_EXPECTED,
    raise_on_fail: bool = False,
) -> Report:
    """Check an encoder, on `inputs` (n, ...) or on images and vectors of the kit. See `check_strategy` for the rest."""
    return check_plugin(
        "encoders", subject, expected_failures=expected_failures, raise_on_fail=raise_on_fail, inputs=inputs
    )


def check_dataset(
    subject: Any, *, expected_failures: Mapping[str, str] = NOTHING_EXPECTED, raise_on_fail: bool = False
) -> Report:
    """Check a data set that is on this machine. See `check_strategy` for the parameters."""
    return check_plugin("datasets", subject, expected_failures=expected_failures, raise_on_fail=raise_on_fail)


def check_metric(
    subject: Any,
    *,
    sample: tuple[Tensor, Tensor] | None = None,
    expected_failures: Mapping[str, str] = NOTHING_EXPECTED,
    raise_on_fail: bool = False,
) -> Report:
    """Check a metric, on predictions (n, ...) and labels (n, ...) of the kit, or on a `sample` of your own.

    A sample is needed for tasks that the kit has no predictions of. See `check_strategy` for the rest.
    """
    return check_plugin(
        "metrics", subject, expected_failures=expected_failures, raise_on_fail=raise_on_fail, sample=sample
    )


def check_condition(
    subject: Any, *, expected_failures: Mapping[str, str] = NOTHING_EXPECTED, raise_on_fail: bool = False
) -> Report:
    """Check a condition, on a small setting of four classes. See `check_strategy` for the parameters."""
    return check_plugin("conditions", subject, expected_failures=expected_failures, raise_on_fail=raise_on_fail)


def check_network(
    subject: Any, *, expected_failures: Mapping[str, str] = NOTHING_EXPECTED, raise_on_fail: bool = False
) -> Report:
    """Check a network, on features or images of the kit. See `check_strategy` for the parameters."""
    return check_plugin("networks", subject, expected_failures=expected_failures, raise_on_fail=raise_on_fail)


def check_augmentation(
    subject: Any, *, expected_failures: Mapping[str, str] = NOTHING_EXPECTED, raise_on_fail: bool = False
) -> Report:
    """Check an augmentation, on features or images of the kit. See `check_strategy` for the parameters."""
    return check_plugin("augmentations", subject, expected_failures=expected_failures, raise_on_fail=raise_on_fail)


def check_combiner(
    subject: Any, *, expected_failures: Mapping[str, str] = NOTHING_EXPECTED, raise_on_fail: bool = False
) -> Report:
    """Check a combiner, on policies that are tables of the kit. See `check_strategy` for the parameters."""
    return check_plugin("combiners", subject, expected_failures=expected_failures, raise_on_fail=raise_on_fail)


def check_base(
    subject: Any, *, expected_failures: Mapping[str, str] = NOTHING_EXPECTED, raise_on_fail: bool = False
) -> Report:
    """Check a base that is on this machine. See `check_strategy` for the parameters."""
    return check_plugin("bases", subject, expected_failures=expected_failures, raise_on_fail=raise_on_fail)


def check_synthesiser(
    subject: Any, *, expected_failures: Mapping[str, str] = NOTHING_EXPECTED, raise_on_fail: bool = False
) -> Report:
    """Check a synthesiser, on photographs of scenes of the kit. See `check_strategy` for the parameters."""
    return check_plugin("synthesisers", subject, expected_failures=expected_failures, raise_on_fail=raise_on_fail)


def check_annotator(
    subject: Any, *, expected_failures: Mapping[str, str] = NOTHING_EXPECTED, raise_on_fail: bool = False
) -> Report:
    """Check an annotator, on questions of the kit; one that is paid is asked nothing. See `check_strategy`."""
    return check_plugin("annotators", subject, expected_failures=expected_failures, raise_on_fail=raise_on_fail)
