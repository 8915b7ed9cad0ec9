"""A perceptron as plain weights and biases, with masks where units are switched off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

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
        return torch.cat([forward(self.layers, part).softmax(dim=1) for part in features.split(CHUNK_ROWS)])

    @torch.no_grad()
    def member_probabilities(self, features: Tensor) -> Tensor:
        return torch.stack([self._passed(features, number) for number in range(len(self.masks[0]))])

    def _passed(self, features: Tensor, number: int) -> Tensor:
        masks = [layer[number] for layer in self.masks]
        chunks = features.split(CHUNK_ROWS)
        return torch.cat([forward(self.layers, part, masks).softmax(dim=1) for part in chunks])

    @torch.no_grad()
    def embeddings(self, features: Tensor) -> Tensor:
        return torch.cat([forward(self.layers[:-1], part).relu() for part in features.split(CHUNK_ROWS)])


def forward(layers: Sequence[tuple[Tensor, Tensor]], x: Tensor, masks: Sequence[Tensor] | None = None) -> Tensor:
    """(n, K) logits of inputs (n, d)."""
    for index, (weight, bias) in enumerate(layers):
        if index:
            x = x.relu()
            x = x * masks[index - 1] if masks else x
        x = functional.linear(x, weight, bias)
    return x


def new_layer(inputs: int, outputs: int, generator: torch.Generator, like: Tensor) -> tuple[Tensor, Tensor]:
    """He initialisation (He et al., 2015) drawn on the CPU, so that it is the same on every device."""
    weight = torch.randn(outputs, inputs, generator=generator) * (2 / inputs) ** 0.5
    return weight.to(like).requires_grad_(), torch.zeros(outputs).to(like).requires_grad_()


def draw_masks(
    rows: int, widths: Sequence[int], dropout: float, generator: torch.Generator, like: Tensor
) -> list[Tensor]:
    """For each hidden layer a mask (rows, width) that keeps the expectation."""
    kept = [torch.rand(rows, width, generator=generator) >= dropout for width in widths]
    return [mask.to(like) / (1 - dropout) for mask in kept]
