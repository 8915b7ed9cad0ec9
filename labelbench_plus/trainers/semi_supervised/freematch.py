"""FreeMatch: thresholds that follow the model's own confidence, and a term for diverse predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge, Interval

from labelbench_plus.plugins import Since
from labelbench_plus.reference import Reference
from labelbench_plus.trainers import trainers
from labelbench_plus.trainers.semi_supervised._semi_supervised import SemiSupervised

if TYPE_CHECKING:
    from labelbench_plus.trainers.semi_supervised._freematch import FreeMatchRule


@trainers.register("freematch")
@dataclass(frozen=True)
class FreeMatch(SemiSupervised):
    """FixMatch with self-adaptive thresholds and self-adaptive class fairness (Wang et al., 2023, algorithm 1).

    Where a class has no strong prediction in a batch, or a share of zero, its quotient counts as zero.

    Its thresholds are relative to the model's confidence, so with a head of zeros any belief counts, even a wrong one,
    and within some hundred steps one class takes over. Unlike the paper (`labels_first: 0`), the first quarter of the
    steps learns from labels alone.

    Parameters
    ----------
    decay: of the moving averages; shorter than the paper's 0.999, which is for a million steps.
    fairness: w_f, weight of the fairness term.
    """

    title = "FreeMatch"
    reference = Reference(("Wang", "others"), 2023)

    decay: Annotated[float, Interval(ge=0, lt=1)] = 0.99
    fairness: Annotated[float, Ge(0)] = 0.001
    labels_first: Annotated[float, Interval(ge=0, lt=1), Since("0.1", before=0.0)] = 0.25

    def rule(self, num_classes: int, unlabelled: int) -> FreeMatchRule:
        from labelbench_plus.trainers.semi_supervised._freematch import FreeMatchRule

        return FreeMatchRule(self.decay, self.fairness, num_classes)
