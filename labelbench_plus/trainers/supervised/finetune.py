"""Supervised training of a whole network on what was bought."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Interval

from labelbench_plus.trainers import trainers
from labelbench_plus.trainers._network_trainer import NetworkTrainer

if TYPE_CHECKING:
    from torch import Tensor

    from labelbench_plus.contracts.classifier import Classifier
    from labelbench_plus.problems.classification import ClassificationData
    from labelbench_plus.seeding import Streams
    from labelbench_plus.trainers._batches import NetworkInputs
    from labelbench_plus.trainers._kept import Keeper
    from labelbench_plus.trainers._network_model import NetworkModel
    from labelbench_plus.trainers._training import Training


@trainers.register("finetune")
@dataclass(frozen=True)
class Finetune(NetworkTrainer):
    """Cross-entropy on weakly augmented labelled examples, end to end where the network reads images.

    Parameters
    ----------
    label_smoothing: share of the target that is spread over all classes (Szegedy et al., 2016).
    patience: stop after this many evaluations on the validation set without a lower loss, and return to the best
        weights; 0 trains all steps and reads no validation label. Validation labels are shown beside the budget.
    look_every: steps between two evaluations.
    """

    title = "Fine-tuning"

    label_smoothing: Annotated[float, Interval(ge=0, lt=1)] = 0.0
    patience: Annotated[int, Ge(0)] = 0
    look_every: Annotated[int, Ge(1)] = 50

    @property
    def uses_validation(self) -> bool:  # type: ignore[override]
        return self.patience > 0

    def train(self, data: ClassificationData, streams: Streams, keeper: Keeper) -> NetworkModel:
        from labelbench_plus.trainers._batches import NetworkInputs
        from labelbench_plus.trainers._training import Training

        inputs = NetworkInputs(self, data, streams, strong=False)
        training = Training(self, data, streams, inputs, keeper, network=self.start(data, streams, inputs))
        with training.going_on():
            training.network.train()
            while training.step < self.steps and training.notes.get("waited", 0) < max(self.patience, 1):
                rows = training.labelled.next(self.batch).to(training.device)
                labels = data.labelled.labels[rows]
                read = inputs.weak(data.labelled.rows[rows].cpu())
                training.advance(lambda x=read, y=labels: self._loss(training, x, y))  # type: ignore[misc]
                if self.patience and (training.step % self.look_every == 0 or training.step == self.steps):
                    self._look(training, data)
                training.keep_if_due()
            return training.done(self._best(training))

    def start(self, data: ClassificationData, streams: Streams, inputs: NetworkInputs) -> Classifier | None:
        """The network to begin with; None for the trainer's own."""
        return None

    def _loss(self, training: Training, inputs: Tensor, labels: Tensor) -> Tensor:
        from torch.nn import functional

        return functional.cross_entropy(training.logits(inputs), labels, label_smoothing=self.label_smoothing)

    def _look(self, training: Training, data: ClassificationData) -> None:
        """Note the weights if their loss on the validation set is the lowest so far. A loss of NaN never is."""
        import torch
        from torch.nn import functional

        from labelbench_plus.trainers._network_model import CHUNK, prepared

        validation = data.validation
        assert validation is not None, "declared by `uses_validation`"
        if self.network.reads == "images":
            assert data.inputs is not None, "`NetworkInputs` has refused it otherwise"
            read: Any = data.inputs.validation_images(self.network.image_size()).at(validation.rows)
        else:
            read = validation.features
        network, done, total = training.model().network, 0, 0.0
        with torch.no_grad():
            for part in read.split(CHUNK[self.network.reads]):
                labels = validation.labels[done : done + len(part)]
                logits = network(prepared(part, training.device)).float()
                total += float(functional.cross_entropy(logits, labels, reduction="sum"))
                done += len(part)
        loss, notes = total / done, training.notes
        if loss < notes.get("lowest", float("inf")):
            notes.update(lowest=loss, waited=0, weights={k: v.clone() for k, v in network.state_dict().items()})
        else:
            notes["waited"] = notes.get("waited", 0) + 1

    def _best(self, training: Training) -> NetworkModel:
        model = training.model()
        if "weights" in training.notes:
            model.network.load_state_dict(training.notes["weights"])
        return model
