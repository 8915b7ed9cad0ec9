"""FlexMatch: FixMatch with a threshold for each class, lower where little has been learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from annotated_types import Interval

from labelbench_plus.plugins import Since
from labelbench_plus.reference import Reference
from labelbench_plus.trainers import trainers
from labelbench_plus.trainers.semi_supervised._semi_supervised import SemiSupervised

if TYPE_CHECKING:
    from labelbench_plus.trainers.semi_supervised._flexmatch import FlexMatchRule


@trainers.register("flexmatch")
@dataclass(frozen=True)
class FlexMatch(SemiSupervised):
    """FixMatch with curriculum pseudo-labelling, its convex mapping and its threshold warm-up (Zhang et al., 2021).

    Its thresholds are relative to the model's confidence, so with a head of zeros any belief counts, even a wrong one,
    and within some hundred steps one class takes over. Unlike the paper (`labels_first: 0`), the first quarter of the
    steps learns from labels alone.

    Parameters
    ----------
    threshold: τ, that of the class that has been learned best.
    """

    title = "FlexMatch"
    reference = Reference(("Zhang", "others"), 2021)

    threshold: Annotated[float, Interval(ge=0, le=1)] = 0.95
    labels_first: Annotated[float, Interval(ge=0, lt=1), Since("0.1", before=0.0)] = 0.25

    def rule(self, num_classes: int, unlabelled: int) -> FlexMatchRule:
        from labelbench_plus.trainers.semi_supervised._flexmatch import FlexMatchRule

        return FlexMatchRule(self.threshold, num_classes, unlabelled)
