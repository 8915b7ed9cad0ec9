"""A linear representation with heads that are linear in the sources' descriptors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge

from labelbench_plus.source_tasks.data import SourceTaskData
from labelbench_plus.source_tasks.papers import TASK_SPACE
from labelbench_plus.source_tasks.view import HEADS
from labelbench_plus.trainers import Trainer, trainers
from labelbench_plus.trainers.source_tasks.joint_linear import LinearSharedModel, fit_linear

if TYPE_CHECKING:
    from labelbench_plus.seeding import Streams


@trainers.register("bilinear_als")
@dataclass(frozen=True)
class BilinearALS(Trainer):
    """Least squares for y = (Bᵀx)ᵀ A ψ(w) over all sources' labels, B and A in turn, each step exact.

    The targets' heads are fitted last, with the representation frozen. Deterministic, as `joint_linear` is.

    Parameters
    ----------
    ridge: as in `joint_linear`; features that are nearly dependent need some.

    Source: the bilinear model of Chen, Huang, Du, Jamieson, Shi, "Active representation learning for general task
    space" (NeurIPS 2023), which fits it by Adam.
    """

    title = "Bilinear model, least squares"
    reference = TASK_SPACE
    task = "task_space"
    provides = frozenset({"target_heads", "head_noise", "task_map"})
    declares = HEADS

    ridge: Annotated[float, Ge(0)] = 0.0

    def fit(self, data: SourceTaskData, streams: Streams, previous: LinearSharedModel | None) -> LinearSharedModel:
        return fit_linear(data, data.rank, 1.0, self.ridge)
