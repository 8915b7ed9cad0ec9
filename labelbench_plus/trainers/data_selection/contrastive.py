"""A small CLIP on chosen image-text pairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Gt

from labelbench_plus.reference import Reference
from labelbench_plus.seeding import torch_generator
from labelbench_plus.trainers import Trainer, trainers

if TYPE_CHECKING:
    from labelbench_plus.algorithms.learners.contrastive import Towers
    from labelbench_plus.problems.image_text import PairData
    from labelbench_plus.seeding import Streams


@trainers.register("contrastive")
@dataclass(frozen=True)
class Contrastive(Trainer):
    """Two towers with one hidden layer each, trained with CLIP's loss for a fixed number of steps.

    The image tower reads pixels or vectors; the text tower the mean of its words' vectors, or vectors. As in DataComp,
    the number of samples seen does not depend on the size of the selection.

    Parameters
    ----------
    width: of the common space. hidden: of the hidden layers.
    """

    title = "Small CLIP"
    reference = Reference(
        ("Radford", "others"), 2021, "Learning transferable visual models from natural language supervision"
    )
    task = "contrastive"

    width: Annotated[int, Ge(1)] = 32
    hidden: Annotated[int, Ge(1)] = 128
    steps: Annotated[int, Ge(1)] = 300
    batch: Annotated[int, Ge(2)] = 128
    learning_rate: Annotated[float, Gt(0)] = 2e-3
    weight_decay: Annotated[float, Ge(0)] = 0.1

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        return {"steps": 20}

    def fit(self, data: PairData, streams: Streams, previous: Towers | None) -> Towers:
        import torch._dynamo  # noqa: F401 torch's optimizers import it: seconds that would be booked as training

        from labelbench_plus.algorithms.learners.contrastive import fit_contrastive

        return fit_contrastive(
            data.pairs.images,
            data.pairs.texts,
            data.words,
            width=self.width,
            hidden=self.hidden,
            steps=self.steps,
            batch=self.batch,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            init=torch_generator(streams.rng("model_init")),
            order=streams.rng("data_order"),
            device=data.device,
        )
