"""UDA: sharpened predictions on weakly augmented examples are the targets of strongly augmented ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Gt, Interval

from labelbench_plus.reference import Reference
from labelbench_plus.trainers import trainers
from labelbench_plus.trainers.semi_supervised._semi_supervised import SemiSupervised

if TYPE_CHECKING:
    from labelbench_plus.trainers.semi_supervised._uda import UDARule


@trainers.register("uda")
@dataclass(frozen=True)
class UDA(SemiSupervised):
    """Unsupervised data augmentation (Xie et al., 2020), with confidence masking and sharpening.

    Parameters
    ----------
    threshold: the probability of the most probable class from which an example counts.
    temperature: of the softmax that makes targets; below 1 sharpens.
    annealing: leaves labelled examples out while they are predicted better than a bound that rises to 1; null for
        none.
    """

    title = "UDA"
    reference = Reference(("Xie", "others"), 2020)

    threshold: Annotated[float, Interval(ge=0, le=1)] = 0.8
    temperature: Annotated[float, Gt(0)] = 0.4
    annealing: Literal["linear", "log", "exp"] | None = None

    def rule(self, num_classes: int, unlabelled: int) -> UDARule:
        from labelbench_plus.trainers.semi_supervised._uda import UDARule

        return UDARule(self.threshold, self.temperature, self.annealing)
