"""Metrics: one file each. A metric scores predicted class probabilities against true labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from labelbench_plus.plugins import Plugin, Registry

if TYPE_CHECKING:
    from torch import Tensor


class Metric(Plugin):
    """Scores predicted class probabilities (n, K) against labels (n,) of the same device."""

    higher_is_better: ClassVar[bool]

    def score(self, probabilities: Tensor, labels: Tensor) -> float:
        raise NotImplementedError


metrics = Registry("metric", Metric, __name__)
