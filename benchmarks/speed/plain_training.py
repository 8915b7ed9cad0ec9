"""The schedules of `finetune` and `flexmatch` as everybody writes them: Dataset, DataLoader, torchvision's transforms.

Nothing of ours is imported here. Batches, steps, learning rates, averages and losses are those of our trainers; what is
drawn is not, nor is the network channels-last, which is no habit on CPUs.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader, Dataset, RandomSampler
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms.v2 import functional as F

Read = Callable[[int], Tensor]
"""From a row of the pool to what a network reads of it, changed anew each time."""


@dataclass(frozen=True)
class Schedule:
    """As of the trainers' hyperparameters; `workers` of each DataLoader."""

    steps: int
    batch: int
    ratio: int
    learning_rate: float
    workers: int
    weight_decay: float = 1e-2
    warmup: float = 0.05
    ema: float = 0.99
    threshold: float = 0.95


class Labelled(Dataset[tuple[Tensor, int]]):
    def __init__(self, rows: Sequence[int], labels: Sequence[int], weak: Read) -> None:
        self.rows, self.labels, self.weak = rows, labels, weak

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, item: int) -> tuple[Tensor, int]:
        return self.weak(self.rows[item]), self.labels[item]


class Unlabelled(Dataset[tuple[int, Tensor, Tensor]]):
    def __init__(self, rows: Sequence[int], weak: Read, strong: Read) -> None:
        self.rows, self.weak, self.strong = rows, weak, strong

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, item: int) -> tuple[int, Tensor, Tensor]:
        return item, self.weak(self.rows[item]), self.strong(self.rows[item])


class Operations(nn.Module):
    """Two of FixMatch's fourteen transformations, each with a strength of its own, and a hole of half the side."""

    def forward(self, image: Tensor) -> Tensor:
        for _ in range(2):
            image = operation(image, random.randrange(14), random.random())
        height, width = image.shape[1:]
        side = min(height, width) // 2
        top, left = random.randrange(height) - side // 2, random.randrange(width) - side // 2
        bottom, right = top + side, left + side
        top, left = max(top, 0), max(left, 0)
        return F.erase(image, top, left, bottom - top, right - left, image.new_zeros(()))


def operation(image: Tensor, which: int, strength: float) -> Tensor:
    blend, signed = 0.05 + 0.9 * strength, 0.3 * (2 * strength - 1)
    if which < 4:
        return (F.adjust_brightness, F.adjust_saturation, F.adjust_contrast, F.adjust_sharpness)[which](image, blend)
    if which < 6:
        return (F.autocontrast, F.equalize)[which - 4](image)
    if which == 6:
        return F.posterize(image, 4 + min(int(5 * strength), 4))
    if which == 7:
        return F.solarize(image, 255 * strength)
    if which == 13:
        return image
    angle, shear, shift = 0.0, [0.0, 0.0], [0, 0]
    if which == 8:
        angle = 100 * signed
    elif which < 11:
        shear[which - 9] = math.degrees(math.atan(signed))
    else:
        shift[which - 11] = round(signed * image.shape[2 if which == 11 else 1])
    return F.affine(image, angle, shift, 1.0, shear, interpolation=InterpolationMode.BILINEAR)


def reads_of_images(images: Tensor) -> tuple[Read, Read]:
    """Weak and strong, of images (N, c, h, w) uint8."""
    side = min(images.shape[2:])
    shift = [v2.RandomHorizontalFlip(), v2.RandomCrop(side, padding=round(side / 8), padding_mode="reflect")]
    scale = [v2.ToDtype(torch.float32, scale=True)]
    weak, strong = v2.Compose(shift + scale), v2.Compose([*shift, Operations(), *scale])
    return (lambda row: weak(images[row])), (lambda row: strong(images[row]))


def reads_of_copies(weak: Tensor, strong: Tensor) -> tuple[Read, Read]:
    """Weak and strong, of the features of augmented copies (copies, N, d)."""
    return (
        lambda row: weak[random.randrange(len(weak)), row],
        lambda row: strong[random.randrange(len(strong)), row],
    )


def small_cnn(width: int, classes: int) -> nn.Module:
    """For grey images."""
    parts: list[nn.Module] = []
    for number, (before, after) in enumerate([(1, width), (width, 2 * width), (2 * width, 4 * width)]):
        parts += [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        parts += [nn.MaxPool2d(2)] if number < 2 else [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return started(nn.Sequential(*parts), nn.Linear(4 * width, classes))


def perceptron(features: int, classes: int) -> nn.Module:
    return started(nn.Sequential(nn.Linear(features, 128), nn.ReLU()), nn.Linear(128, classes))


def started(backbone: nn.Sequential, head: nn.Linear) -> nn.Module:
    """He's initialisation, and a head of zeros."""
    for part in backbone:
        if isinstance(part, nn.Linear | nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
            if part.bias is not None:
                nn.init.zeros_(part.bias)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    return nn.Sequential(*backbone, head)


def trained(
    network: nn.Module, classes: int, labelled: Labelled, unlabelled: Unlabelled | None, how: Schedule
) -> nn.Module:
    """The average of the network's weights over FlexMatch's steps, or over supervised ones without `unlabelled`."""
    decayed = [weight for weight in network.parameters() if weight.ndim > 1]
    others = [weight for weight in network.parameters() if weight.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": how.weight_decay}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=how.learning_rate)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: share(step, how))
    average = AveragedModel(network, avg_fn=lambda old, new, n: old.lerp(new, 1 - min(how.ema, (n + 1) / (n + 10))))
    network.train()

    def step(loss: Tensor) -> None:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        average.update_parameters(network)

    if unlabelled is None:
        for inputs, labels in loader(labelled, how.batch, how):
            step(functional.cross_entropy(network(inputs), labels))
        return average.eval()
    predicted = torch.full((len(unlabelled),), classes)
    batches = zip(loader(labelled, how.batch, how), loader(unlabelled, how.ratio * how.batch, how), strict=True)
    for (inputs, labels), (items, weak, strong) in batches:
        with torch.no_grad():
            confidence, pseudo = network(weak).softmax(dim=1).max(dim=1)
            counts = torch.bincount(predicted, minlength=classes + 1)
            learned = counts[:-1] / counts.max()
            counted = confidence >= (how.threshold * learned / (2 - learned))[pseudo]
            sure = confidence >= how.threshold
            predicted[items[sure]] = pseudo[sure]
        logits = network(torch.cat([inputs, strong]))
        supervised = functional.cross_entropy(logits[: len(labels)], labels)
        consistent = functional.cross_entropy(logits[len(labels) :], pseudo, reduction="none")
        step(supervised + (consistent * counted).mean())
    return average.eval()


def loader(dataset: Dataset[Any], batch: int, how: Schedule) -> DataLoader[Any]:
    order = RandomSampler(dataset, num_samples=how.steps * batch)  # type: ignore[arg-type]
    return DataLoader(dataset, batch, sampler=order, num_workers=how.workers)


def share(step: int, how: Schedule) -> float:
    """Of the learning rate: linear warm-up, then half a cosine."""
    warm = how.warmup * how.steps
    if step < warm:
        return (step + 1) / (warm + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(how.steps - warm, 1)))
