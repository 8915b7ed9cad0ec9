"""V-PET: self-training on what several different models agree on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from annotated_types import MinLen

from labelbench_plus.plugins import From
from labelbench_plus.reference import Reference
from labelbench_plus.trainers import Trainer, trainers
from labelbench_plus.trainers.semi_supervised._semi_supervised import SemiSupervised

if TYPE_CHECKING:
    from torch import Tensor

    from labelbench_plus.problems.classification import ClassificationData
    from labelbench_plus.seeding import Streams
    from labelbench_plus.trainers.semi_supervised._rule import Rule


@trainers.register("v_pet")
@dataclass(frozen=True)
class VPET(SemiSupervised):
    """Teachers learn from what was bought; their votes are the targets of the rest (Zhang et al., NeurIPS 2025).

    A vote is a teacher's most probable class; an example's target is the share of votes of each class, and all examples
    count alike. Voting, rather than averaging probabilities, lets teachers take part whose confidences do not compare.
    The paper's teachers are foundation models fine-tuned in several parameter-efficient ways; here they are any
    trainers of this project, so on frozen features they can be a probe, a perceptron and a graph. Averaging votes is
    our reading.

    Parameters
    ----------
    teachers: at least two, the more different the better.
    """

    title = "V-PET"
    reference = Reference(("Zhang", "others"), 2025, venue="NeurIPS")

    teachers: Annotated[tuple[Annotated[Trainer, From("trainers")], ...], MinLen(2)] = field(
        default_factory=lambda: tuple(map(trainers.build, ("logistic_regression", "mlp", "label_propagation")))
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for teacher in self.teachers:
            if teacher.task != self.task:
                raise ValueError(f"teachers: trainer {teacher.name!r} solves {teacher.task}, v_pet {self.task}")

    @property
    def uses_validation(self) -> bool:  # type: ignore[override]
        return any(teacher.uses_validation for teacher in self.teachers)

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        return super().needs.union(*(teacher.needs for teacher in self.teachers))

    def mirroring(self) -> str | None:
        remedies = (trainer.mirroring() for trainer in self.teachers)
        return super().mirroring() or next(filter(None, remedies), None)

    def fingerprint(self) -> str:
        return " ".join(filter(None, (super().fingerprint(), *(teacher.fingerprint() for teacher in self.teachers))))

    def rule_for(self, data: ClassificationData, streams: Streams, unlabelled: Tensor) -> Rule:
        import torch

        from labelbench_plus.trainers.semi_supervised._v_pet import Votes

        votes = []
        for number, teacher in enumerate(self.teachers):
            model = teacher.fit(data, streams.round(number), None)
            votes.append(model.probabilities(data.read_by(model, unlabelled)).argmax(dim=1))
        return Votes(torch.stack(votes))
