"""The conformance kit: it verifies that a plugin keeps its contract, whether built in or third-party.

`check_strategy`, `check_trainer`, `check_problem`, `check_encoder`, `check_dataset`, `check_metric`, `check_condition`,
`check_network`, `check_augmentation`, `check_combiner`, `check_base`, `check_synthesiser` and `check_annotator` return
a `Report`; `parametrize_checks` makes a test of every check; `lbp check` is the same from the command line.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from labelbench_plus.testing.kit import (
    check_annotator,
    check_augmentation,
    check_base,
    check_combiner,
    check_condition,
    check_dataset,
    check_encoder,
    check_metric,
    check_network,
    check_problem,
    check_strategy,
    check_synthesiser,
    check_trainer,
)
from labelbench_plus.testing.report import ConformanceError, Outcome, Report

if TYPE_CHECKING:
    from labelbench_plus.testing.in_pytest import parametrize_checks
    from labelbench_plus.testing.pool_scene import make_view

__all__ = [
    "ConformanceError",
    "Outcome",
    "Report",
    "check_annotator",
    "check_augmentation",
    "check_base",
    "check_combiner",
    "check_condition",
    "check_dataset",
    "check_encoder",
    "check_metric",
    "check_network",
    "check_problem",
    "check_strategy",
    "check_synthesiser",
    "check_trainer",
    "make_view",
    "parametrize_checks",
]

_ELSEWHERE = {"parametrize_checks": "in_pytest", "make_view": "pool_scene"}


def __getattr__(name: str) -> Any:
    """Names whose modules load torch, looked up when asked for: `lbp --help` must not wait for it."""
    if name in _ELSEWHERE:
        return getattr(importlib.import_module(f"{__name__}.{_ELSEWHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
