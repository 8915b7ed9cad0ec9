"""A small multi-layer perceptron on frozen features."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Gt, Interval

from labelbench_plus.seeding import torch_generator
from labelbench_plus.trainers import trainers
from labelbench_plus.trainers._kept import SavesState

if TYPE_CHECKING:
    from labelbench_plus.problems.classification import ClassificationData
    from labelbench_plus.seeding import Streams
    from labelbench_plus.trainers.supervised._mlp import MLPModel


@trainers.register("mlp")
@dataclass(frozen=True)
class MLP(SavesState):
    """Cross-entropy by AdamW for a fixed number of steps, with linear warm-up and cosine decay.

    The number of steps does not depend on how many labels there are, so that the learning rate schedule is the same at
    every budget. Every batch holds `batch` labelled examples (all of them when there are fewer), drawn without
    replacement within an epoch. No validation label is used.

    Parameters
    ----------
    hidden: width of each hidden layer.
    layers: number of hidden layers.
    dropout: share of hidden units switched off at random in each training step (Srivastava et al., 2014). With it, the
        model also offers `member_probabilities`: passes with dropout left on (Gal & Ghahramani, 2016), each with one
        mask for all items, so that its members are functions that can be compared across items.
    passes: how many of them.
    """

    title = "Multi-layer perceptron"
    task = "classification"

    hidden: Annotated[int, Ge(1)] = 128
    layers: Annotated[int, Ge(1)] = 1
    steps: Annotated[int, Ge(1)] = 400
    batch: Annotated[int, Ge(1)] = 64
    learning_rate: Annotated[float, Gt(0)] = 3e-3
    weight_decay: Annotated[float, Ge(0)] = 1e-2
    warmup: Annotated[float, Ge(0)] = 0.05
    dropout: Annotated[float, Interval(ge=0, lt=1)] = 0.0
    passes: Annotated[int, Ge(1)] = 20

    @property
    def provides(self) -> frozenset[str]:  # type: ignore[override]
        always = frozenset({"probabilities", "embeddings"})
        return always | {"member_probabilities"} if self.dropout else always

    def fit(self, data: ClassificationData, streams: Streams, previous: MLPModel | None) -> MLPModel:
        import torch
        from torch.nn import functional

        from labelbench_plus.trainers._training import schedule
        from labelbench_plus.trainers.supervised._mlp import MLPModel, draw_masks, forward, new_layer

        features, labels = data.labelled.features, data.labelled.labels
        hidden = [self.hidden] * self.layers
        widths = [features.shape[1], *hidden, data.num_classes]
        generator = torch_generator(streams.rng("model_init"))
        layers = [new_layer(inputs, outputs, generator, features) for inputs, outputs in pairwise(widths)]
        optimizer = torch.optim.AdamW([p for layer in layers for p in layer], weight_decay=self.weight_decay)
        order, noise = streams.rng("data_order"), torch_generator(streams.rng("dropout"))
        waiting = torch.empty(0, dtype=torch.long)
        size = min(self.batch, len(labels))
        with torch.enable_grad():
            for step in range(self.steps):
                if len(waiting) < size:
                    waiting = torch.as_tensor(order.permutation(len(labels)))
                batch, waiting = waiting[:size].to(labels.device), waiting[size:]
                for group in optimizer.param_groups:
                    group["lr"] = self.learning_rate * schedule(step, self.steps, self.warmup)
                masks = draw_masks(size, hidden, self.dropout, noise, features) if self.dropout else None
                loss = functional.cross_entropy(forward(layers, features[batch], masks), labels[batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        passes = torch_generator(streams.rng("dropout passes"))
        masks = draw_masks(self.passes, hidden, self.dropout, passes, features) if self.dropout else []
        return MLPModel(tuple((weight.detach(), bias.detach()) for weight, bias in layers), tuple(masks))

    def state_of(self, model: MLPModel) -> dict[str, Any]:
        return vars(model)

    def model_of(self, state: dict[str, Any]) -> MLPModel:
        from labelbench_plus.trainers.supervised._mlp import MLPModel

        return MLPModel(**state)
