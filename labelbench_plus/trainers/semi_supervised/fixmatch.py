"""FixMatch: a confident prediction on a weakly augmented example is the label of its strongly augmented version."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from annotated_types import Interval

from labelbench_plus.reference import Reference
from labelbench_plus.trainers import trainers
from labelbench_plus.trainers.semi_supervised._semi_supervised import SemiSupervised

if TYPE_CHECKING:
    from labelbench_plus.trainers.semi_supervised._fixmatch import FixMatchRule


@trainers.register("fixmatch")
@dataclass(frozen=True)
class FixMatch(SemiSupervised):
    """Consistency under strong augmentation with confident pseudo-labels (Sohn et al., 2020, eq. 4).

    Parameters
    ----------
    threshold: the probability from which a prediction counts.
    """

    title = "FixMatch"
    reference = Reference(("Sohn", "others"), 2020)

    threshold: Annotated[float, Interval(ge=0, le=1)] = 0.95

    def rule(self, num_classes: int, unlabelled: int) -> FixMatchRule:
        from labelbench_plus.trainers.semi_supervised._fixmatch import FixMatchRule

        return FixMatchRule(self.threshold)
