"""A small multi-layer perceptron on frozen features."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated

import torch
import torch._dynamo  # torch's optimizers import it at their first step: seconds that would be booked as training
from annotated_types import Ge, Gt
from torch import Tensor
from torch.nn import functional

from labelbench_plus.seeding import torch_generator
from labelbench_plus.trainers import Trainer, trainers

if TYPE_CHECKING:
    from labelbench_plus.problems.classification import ClassificationData
    from labelbench_plus.seeding import Streams

CHUNK_ROWS = 16_384


@dataclass(frozen=True)
class MLPModel:
    """A trained perceptron: `layers` of (weight, bias), ReLU between them."""

    layers: tuple[tuple[Tensor, Tensor], ...]

    @torch.no_grad()
    def probabilities(self, features: Tensor) -> Tensor:
        return torch.cat([_forward(self.layers, part).softmax(dim=1) for part in features.split(CHUNK_ROWS)])

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
    """

    task = "classification"
    provides = frozenset({"probabilities", "embeddings"})

    hidden: Annotated[int, Ge(1)] = 128
    layers: Annotated[int, Ge(1)] = 1
    steps: Annotated[int, Ge(1)] = 400
    batch: Annotated[int, Ge(1)] = 64
    learning_rate: Annotated[float, Gt(0)] = 3e-3
    weight_decay: Annotated[float, Ge(0)] = 1e-2
    warmup: Annotated[float, Ge(0)] = 0.05

    def fit(self, data: ClassificationData, streams: Streams, previous: MLPModel | None) -> MLPModel:
        features, labels = data.labelled.features, data.labelled.labels
        widths = [features.shape[1], *[self.hidden] * self.layers, data.num_classes]
        generator = torch_generator(streams.rng("model_init"))
        layers = [_layer(inputs, outputs, generator, features) for inputs, outputs in pairwise(widths)]
        optimizer = torch.optim.AdamW([p for layer in layers for p in layer], weight_decay=self.weight_decay)
        order = streams.rng("data_order")
        waiting = torch.empty(0, dtype=torch.long)
        size = min(self.batch, len(labels))
        with torch.enable_grad():
            for step in range(self.steps):
                if len(waiting) < size:
                    waiting = torch.as_tensor(order.permutation(len(labels)))
                batch, waiting = waiting[:size].to(labels.device), waiting[size:]
                for group in optimizer.param_groups:
                    group["lr"] = self.learning_rate * self._schedule(step)
                loss = functional.cross_entropy(_forward(layers, features[batch]), labels[batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        return MLPModel(tuple((weight.detach(), bias.detach()) for weight, bias in layers))

    def _schedule(self, step: int) -> float:
        warm = self.warmup * self.steps
        if step < warm:
            return (step + 1) / (warm + 1)
        return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(self.steps - warm, 1)))


def _forward(layers: tuple[tuple[Tensor, Tensor], ...] | list[tuple[Tensor, Tensor]], x: Tensor) -> Tensor:
    for index, (weight, bias) in enumerate(layers):
        x = functional.linear(x.relu() if index else x, weight, bias)
    return x


def _layer(inputs: int, outputs: int, generator: torch.Generator, like: Tensor) -> tuple[Tensor, Tensor]:
    """He initialisation (He et al., 2015) drawn on the CPU, so that it is the same on every device."""
    weight = torch.randn(outputs, inputs, generator=generator) * (2 / inputs) ** 0.5
    return weight.to(like).requires_grad_(), torch.zeros(outputs).to(like).requires_grad_()
