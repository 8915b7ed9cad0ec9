"""The linear student of the data-selection theory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge

from labelbench_plus.reference import Reference
from labelbench_plus.trainers import Trainer, trainers

if TYPE_CHECKING:
    from labelbench_plus.algorithms.learners.linear_alignment import LinearStudent
    from labelbench_plus.problems.image_text import PairData
    from labelbench_plus.seeding import Streams


@trainers.register("linear_alignment")
@dataclass(frozen=True)
class LinearAlignment(Trainer):
    """The exact minimiser of the linearised contrastive loss over low-rank maps. See `algorithms.linear_alignment`.

    Parameters
    ----------
    rank: of the student.
    """

    title = "Linear student"
    reference = Reference(("Nakada", "others"), 2023)
    task = "linear_alignment"

    rank: Annotated[int, Ge(1)] = 6

    def fit(self, data: PairData, streams: Streams, previous: LinearStudent | None) -> LinearStudent:
        import torch

        from labelbench_plus.algorithms.learners.linear_alignment import fit_linear_student

        images, texts = (torch.from_numpy(side).to(data.device) for side in (data.pairs.images, data.pairs.texts))
        return fit_linear_student(images, texts, self.rank)
