"""Pseudo-labels: learning from one's own confident predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from annotated_types import Interval

from labelbench_plus.reference import Reference
from labelbench_plus.trainers import trainers
from labelbench_plus.trainers.semi_supervised._semi_supervised import SemiSupervised

if TYPE_CHECKING:
    from labelbench_plus.trainers.semi_supervised._pseudo_label import PseudoLabelRule


@trainers.register("pseudo_label")
@dataclass(frozen=True)
class PseudoLabel(SemiSupervised):
    """Confident predictions on weakly augmented examples are labels for those same examples (Lee, 2013).

    Lee takes every prediction; the threshold is what later comparisons added (Oliver et al., 2018).

    Parameters
    ----------
    threshold: the probability from which a prediction counts.
    ramp: share of the steps over which the unlabelled loss grows from zero to its weight (Lee's eq. 16).
    """

    title = "Pseudo-labels"
    reference = Reference(("Lee",), 2013)

    threshold: Annotated[float, Interval(ge=0, le=1)] = 0.95
    ramp: Annotated[float, Interval(ge=0, le=1)] = 0.4

    def rule(self, num_classes: int, unlabelled: int) -> PseudoLabelRule:
        from labelbench_plus.trainers.semi_supervised._pseudo_label import PseudoLabelRule

        return PseudoLabelRule(self.threshold, self.ramp)
