"""LP-FT: first the head alone, to its optimum, then the whole network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from annotated_types import Gt

from labelbench_plus.reference import Reference
from labelbench_plus.trainers import trainers
from labelbench_plus.trainers.supervised.finetune import Finetune

if TYPE_CHECKING:
    from labelbench_plus.contracts.classifier import Classifier
    from labelbench_plus.problems.classification import ClassificationData
    from labelbench_plus.seeding import Streams
    from labelbench_plus.trainers._batches import NetworkInputs


@trainers.register("lp_ft")
@dataclass(frozen=True)
class LPFT(Finetune):
    """`finetune` that starts from a linear probe (Kumar et al., 2022), which spares the backbone a random head's noise.

    Parameters
    ----------
    l2: of the probe, on embeddings scaled to an average variance of one.
    """

    title = "LP-FT"
    reference = Reference(("Kumar", "others"), 2022)

    l2: Annotated[float, Gt(0)] = 0.01

    def start(self, data: ClassificationData, streams: Streams, inputs: NetworkInputs) -> Classifier:
        from labelbench_plus.trainers._linear_probe import probed

        return probed(self, data, streams, inputs, self.l2)
