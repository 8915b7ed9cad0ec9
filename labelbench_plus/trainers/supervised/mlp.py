"""A small multi-layer perceptron on frozen features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated

import torch
import torch._dynamo  # torch's optimizers import it at their first step: seconds that would be booked as training
from annotated_types import Ge, Gt, Interval
from torch import Tensor
from torch.nn import functional

from labelbench_plus.seeding import torch_generator
from labelbench_plus.trainers import Trainer, trainers
from labelbench_plus.trainers._network_training import schedule

if TYPE_CHECKING:
    from labelbench_plus.problems.classification import ClassificationData
    from labelbench_plus.seeding import Streams

CHUNK_ROWS = 16_384


@dataclass(frozen=True)
class MLPModel:
    """A trained perceptron: `layers` of (weight, bias), ReLU between them.

    `masks` (M, hidden) are the dropout masks of the M passes behind `member_probabilities`, already scaled.
    """

    layers: tuple[tuple[Tensor, Tensor], ...]
    masks: tuple[Tensor, ...] = ()

    @torch.no_grad()
    def probabilities(self, features: Tensor) -> Tensor:
        return torch.cat([_forward(self.layers, part).softmax(dim=1) for part in features.split(CHUNK_ROWS)])

    @torch.no_grad()
    def member_probabilities(self, features: Tensor) -> Tensor:
        return torch.stack([self._passed(features, number) for number in range(len(self.masks[0]))])

    def _passed(self, features: Tensor, number: int) -> Tensor:
        masks = [layer[number] for layer in self.masks]
        chunks = features.split(CHUNK_ROWS)
        return torch.cat([_forward(self.layers, part, masks).softmax(dim=1) for part in chunks])

    @torch.no_grad()
    def embeddings(self, features: Tensor) -> Tensor:
        return torch.cat([_forward(self.layers[:-1], part).relu() for part in features.split(CHUNK_ROWS)])


@trainers.register("mlp")
@dataclass(frozen=True)
class MLP(Trainer):
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
        features, labels = data.labelled.features, data.labelled.labels
        widths = [features.shape[1], *[self.hidden] * self.layers, data.num_classes]
        generator = torch_generator(streams.rng("model_init"))
        layers = [_layer(inputs, outputs, generator, features) for inputs, outputs in pairwise(widths)]
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
                masks = self._masks(size, noise, features) if self.dropout else None
                loss = functional.cross_entropy(_forward(layers, features[batch], masks), labels[batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        passes = torch_generator(streams.rng("dropout passes"))
        masks = self._masks(self.passes, passes, features) if self.dropout else []
        return MLPModel(tuple((weight.detach(), bias.detach()) for weight, bias in layers), tuple(masks))

    def _masks(self, rows: int, generator: torch.Generator, like: Tensor) -> list[Tensor]:
        """For each hidden layer a mask (rows, hidden) that keeps the expectation."""
        kept = [torch.rand(rows, self.hidden, generator=generator) >= self.dropout for _ in range(self.layers)]
        return [mask.to(like) / (1 - self.dropout) for mask in kept]


def _forward(layers: Sequence[tuple[Tensor, Tensor]], x: Tensor, masks: Sequence[Tensor] | None = None) -> Tensor:
    for index, (weight, bias) in enumerate(layers):
        if index:
            x = x.relu()
            x = x * masks[index - 1] if masks else x
        x = functional.linear(x, weight, bias)
    return x


def _layer(inputs: int, outputs: int, generator: torch.Generator, like: Tensor) -> tuple[Tensor, Tensor]:
    """He initialisation (He et al., 2015) drawn on the CPU, so that it is the same on every device."""
    weight = torch.randn(outputs, inputs, generator=generator) * (2 / inputs) ** 0.5
    return weight.to(like).requires_grad_(), torch.zeros(outputs).to(like).requires_grad_()
