"""Several perceptrons of one shape that are trained side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from labelbench_plus.trainers.regression._unit import Unit

CHUNK_ROWS = 16_384

Layers = Sequence[tuple[Tensor, Tensor]]
"""Weights (M, in, out) and biases (M, 1, out) of M networks, ReLU between them."""


@dataclass(frozen=True)
class PerceptronsModel:
    """M trained networks: they predict their mean, and the embedding is the first one's last hidden layer.

    `masks`, one (M, P, hidden) a layer, are what switches hidden units off in the P passes of each network; without
    any the networks themselves are the members.
    """

    layers: tuple[tuple[Tensor, Tensor], ...]
    masks: tuple[Tensor, ...]
    unit: Unit

    def predictions(self, features: Tensor) -> Tensor:
        return self.unit.labels(self._over(features, self.layers)[..., 0].mean(dim=0))

    def variance(self, features: Tensor) -> Tensor:
        return self.members(features).var(dim=0, correction=0)

    def members(self, features: Tensor) -> Tensor:
        if not self.masks:
            return self.unit.labels(self._over(features, self.layers)[..., 0])
        passes = range(self.masks[0].shape[1])
        said = [self._over(features, self.layers, [mask[:, [p]] for mask in self.masks])[..., 0] for p in passes]
        return self.unit.labels(torch.cat(said))

    def embeddings(self, features: Tensor) -> Tensor:
        first = [(weight[:1], bias[:1]) for weight, bias in self.layers[:-1]]
        return self._over(features, first)[0].relu()

    @torch.no_grad()
    def _over(self, features: Tensor, layers: Layers, masks: Sequence[Tensor] = ()) -> Tensor:
        return torch.cat([forward(layers, part, masks) for part in features.float().split(CHUNK_ROWS)], dim=1)


def forward(layers: Layers, x: Tensor, masks: Sequence[Tensor] = ()) -> Tensor:
    """(M, n, out) of inputs (n, d) for all networks, or (M, n, d) for each its own."""
    x = x.expand(len(layers[0][0]), *x.shape) if x.dim() == 2 else x
    for index, (weight, bias) in enumerate(layers):
        if index:
            x = x.relu()
            x = x * masks[index - 1] if masks else x
        x = torch.baddbmm(bias, x, weight)
    return x


def new_layer(
    networks: int, inputs: int, outputs: int, generator: torch.Generator, device: torch.device
) -> tuple[Tensor, Tensor]:
    """He initialisation (He et al., 2015) drawn on the CPU, so that it is the same on every device."""
    weight = torch.randn(networks, inputs, outputs, generator=generator) * (2 / inputs) ** 0.5
    bias = torch.zeros(networks, 1, outputs)
    return weight.to(device).requires_grad_(), bias.to(device).requires_grad_()


def draw_masks(shape: Sequence[int], widths: Sequence[int], dropout: float, generator: torch.Generator) -> list[Tensor]:
    """For each hidden layer a mask (*shape, width) that keeps the expectation."""
    return [(torch.rand(*shape, width, generator=generator) >= dropout).float() / (1 - dropout) for width in widths]
