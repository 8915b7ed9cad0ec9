"""A trained network as a model, and the network that a training starts from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from labelbench_plus.contracts.networks import Network, Task
from labelbench_plus.features.training_inputs import Images
from labelbench_plus.seeding import Streams, torch_generator

if TYPE_CHECKING:
    from labelbench_plus.contracts.classifier import Classifier
    from labelbench_plus.problems.classification import ClassificationData

CHUNK = {"features": 16_384, "images": 256}


@dataclass(frozen=True)
class NetworkModel:
    """A trained network.

    Attributes
    ----------
    reads: "features" or "images": what the problem hands it.
    image_size: as of `Network.image_size`.
    task: what the network was built for.
    notes: what its training has to tell, if anything.
    """

    network: Classifier
    reads: str
    image_size: int | None
    task: Task
    notes: dict[str, float] = field(default_factory=dict)

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
    built = network.build(task_of(data, shape), torch_generator(streams.rng("model_init")))
    return laid_out(built, network).to(device=data.pool_features.device)


def task_of(data: ClassificationData, shape: tuple[int, ...]) -> Task:
    """What a network of this data is built for."""
    if data.inputs is None:
        return Task(shape, data.num_classes)
    return Task(shape, data.num_classes, data.inputs.class_names, data.inputs.templates)


def laid_out(built: Classifier, network: Network) -> Classifier:
    """Its weights as they lie in memory for what it reads."""
    if network.reads == "images":
        return built.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return built


def of_state(network: Network, state: dict[str, Any]) -> NetworkModel:
    """The model that `state_of` describes, on the device of its tensors."""
    task = Task(tuple(state["shape"]), state["num_classes"], tuple(state["class_names"]), tuple(state["templates"]))
    weights = state["weights"]
    built = laid_out(network.build(task, torch_generator(Streams(0).rng("model_init"))), network)  # overwritten below
    built = built.to(device=next(iter(weights.values())).device)
    built.load_state_dict(weights)
    return NetworkModel(built.eval().requires_grad_(False), network.reads, network.image_size(), task)


def state_of(model: NetworkModel) -> dict[str, Any]:
    """What makes the model what it is: its weights, and what they were built for."""
    return {
        "weights": model.network.state_dict(),
        "shape": list(model.task.shape),
        "num_classes": model.task.num_classes,
        "class_names": list(model.task.class_names),
        "templates": list(model.task.templates),
    }
