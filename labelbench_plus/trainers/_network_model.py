"""A trained network as a model, and the network that a training starts from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from labelbench_plus.contracts.networks import Network, Task
from labelbench_plus.features.training_inputs import Images
from labelbench_plus.seeding import torch_generator

if TYPE_CHECKING:
    from labelbench_plus.contracts.classifier import Classifier
    from labelbench_plus.problems.classification import ClassificationData
    from labelbench_plus.seeding import Streams

CHUNK = {"features": 16_384, "images": 256}


@dataclass(frozen=True)
class NetworkModel:
    """A trained network.

    Attributes
    ----------
    reads: "features" or "images": what the problem hands it.
    image_size: as of `Network.image_size`.
    """

    network: Classifier
    reads: str
    image_size: int | None

    @torch.no_grad()
    def probabilities(self, inputs: Tensor | Images) -> Tensor:
        """(n, K)."""
        return self._over(inputs, lambda x: self.network(x).float().softmax(dim=1))

    @torch.no_grad()
    def embeddings(self, inputs: Tensor | Images) -> Tensor:
        """(n, h): what the head reads."""
        return self._over(inputs, lambda x: self.network.backbone(x).float())

    def _over(self, inputs: Tensor | Images, compute: Callable[[Tensor], Tensor]) -> Tensor:
        device = next(self.network.parameters()).device
        return torch.cat([compute(prepared(part, device)) for part in inputs.split(CHUNK[self.reads])])


def prepared(inputs: Tensor, device: torch.device) -> Tensor:
    """Features as they are; uint8 images as floats in 0..1, channels last in memory."""
    if inputs.dtype != torch.uint8:
        return inputs.to(device)
    return (inputs.to(device).float() / 255).contiguous(memory_format=torch.channels_last)


def build(network: Network, data: ClassificationData, streams: Streams, shape: tuple[int, ...]) -> Classifier:
    """A network as it is before its first step, on the data's device."""
    names = data.inputs.class_names if data.inputs is not None else ()
    templates = data.inputs.templates if data.inputs is not None else ()
    task = Task(shape, data.num_classes, names, templates)
    built = network.build(task, torch_generator(streams.rng("model_init")))
    if network.reads == "images":
        built = built.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return built.to(device=data.pool_features.device)
