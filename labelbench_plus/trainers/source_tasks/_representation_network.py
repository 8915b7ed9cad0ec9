"""A network shared by many regression tasks, trained by gradients: what the torch trainers of source tasks share."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
import torch._dynamo  # torch's optimizers import it at their first step: seconds that would be booked as training
from torch import nn

from labelbench_plus.networks._classifier import initialise
from labelbench_plus.seeding import Streams, torch_generator
from labelbench_plus.source_tasks.data import SourceTaskData, fit_heads

CHUNK_ROWS = 8192


@dataclass(frozen=True)
class NetworkModel:
    """φ is a network's output and a constant; the rest as `SourceModel` says."""

    network: nn.Module
    task_map: np.ndarray
    target_heads: np.ndarray
    target_variance: np.ndarray
    sources_opened: int

    def representation(self, inputs: np.ndarray) -> np.ndarray:
        return represent(self.network, inputs)


@torch.no_grad()
def represent(network: nn.Module, inputs: np.ndarray) -> np.ndarray:
    """(n, k + 1) float64: the network's outputs, and ones."""
    rows = torch.as_tensor(np.ascontiguousarray(inputs, dtype=np.float32)).split(CHUNK_ROWS)
    features = torch.cat([network(part) for part in rows]).double().numpy()
    return np.concatenate([features, np.ones((len(features), 1))], axis=1)


@dataclass(frozen=True)
class Recipe:
    """How to train: AdamW over `steps` minibatches of `batch` examples, drawn over all sources, cosine decay."""

    steps: int
    batch: int
    learning_rate: float
    weight_decay: float
    target_ridge: float


def fit_network(
    data: SourceTaskData, build: Callable[[tuple[int, ...]], nn.Module], recipe: Recipe, streams: Streams
) -> NetworkModel:
    """Least squares over all bought labels through one network, then the targets' heads with the network frozen.

    The head of a source is linear in its descriptor, or its own where there are none; heads include a bias.

    Parameters
    ----------
    build: makes the network for inputs of a shape; its parameters are drawn again here.
    """
    inputs = np.concatenate([part.inputs for part in data.sources]).astype(np.float32)
    labels = torch.as_tensor(np.concatenate([part.labels for part in data.sources]), dtype=torch.float32)
    counts = [len(part.labels) for part in data.sources]
    task = torch.as_tensor(np.repeat(np.arange(len(counts)), counts))
    descriptors = None if data.descriptors is None else torch.as_tensor(data.descriptors, dtype=torch.float32)
    with torch.device("meta"):  # without values: modules draw theirs from the global generator
        network = build(inputs.shape[1:])
    network.to_empty(device="cpu")
    generator = torch_generator(streams.rng("model_init"))
    initialise(network, generator)
    width = len(counts) if descriptors is None else descriptors.shape[1]
    heads = (0.1 * torch.randn(width, data.rank + 1, generator=generator)).requires_grad_()
    optimizer = torch.optim.AdamW(
        [*network.parameters(), heads], lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.steps)
    order, pixels = streams.rng("data_order"), torch.as_tensor(inputs)
    waiting = torch.empty(0, dtype=torch.long)
    size = min(recipe.batch, len(labels))
    with torch.enable_grad():
        for _ in range(recipe.steps):
            if len(waiting) < size:
                waiting = torch.as_tensor(order.permutation(len(labels)))
            rows, waiting = waiting[:size], waiting[size:]
            features = network(pixels[rows])
            own = heads[task[rows]] if descriptors is None else descriptors[task[rows]] @ heads
            predicted = (features * own[:, :-1]).sum(dim=1) + own[:, -1]
            loss = ((predicted - labels[rows]) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    network = copy.deepcopy(network).eval().requires_grad_(False)
    features = [represent(network, part.inputs) for part in data.targets]
    target_heads, variance = fit_heads(features, [part.labels for part in data.targets], recipe.target_ridge)
    task_map = heads.detach().double().numpy().T.copy()
    if descriptors is None:
        task_map[:, np.array(counts) == 0] = 0.0  # never trained: whatever it was started from
    return NetworkModel(network, task_map, target_heads, variance, sum(count > 0 for count in counts))


def perceptron(widths: tuple[int, ...]) -> nn.Module:
    """Linear layers of these widths with ReLU between them; a single one is linear and has no bias."""
    if len(widths) == 2:
        return nn.Linear(*widths, bias=False)
    layers: list[nn.Module] = []
    for number, (before, after) in enumerate(pairwise(widths)):
        layers += [nn.ReLU()] * (number > 0) + [nn.Linear(before, after)]
    return nn.Sequential(*layers)


def small_convolutions(pixels: int, rank: int) -> nn.Module:
    """Two convolutions with pooling and a linear layer, on square grey images given as rows of pixels."""
    side = round(pixels**0.5)
    if side * side != pixels or side < 8:
        raise ValueError(f"convolutions need square images of at least 8 × 8 pixels, got rows of {pixels}")
    return nn.Sequential(
        nn.Unflatten(1, (1, side, side)),
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * (side // 4) ** 2, rank),
    )
