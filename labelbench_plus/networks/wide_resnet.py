"""Wide residual networks, what semi-supervised learning on small images is usually compared on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn

from labelbench_plus.contracts.classifier import Classifier
from labelbench_plus.networks import Network, Task, networks
from labelbench_plus.networks._classifier import MeanOverPlaces, initialise, new_head

if TYPE_CHECKING:
    from torch import Generator


class _Block(nn.Module):
    """Two convolutions, each after batch normalisation and ReLU, beside a shortcut."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(before, device="meta")
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False, device="meta")
        self.norm2 = nn.BatchNorm2d(after, device="meta")
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False, device="meta")
        same = before == after and stride == 1
        self.shortcut = None if same else nn.Conv2d(before, after, 1, stride, bias=False, device="meta")

    def forward(self, x: Tensor) -> Tensor:
        active = torch.relu(self.norm1(x))
        inner = self.conv2(torch.relu(self.norm2(self.conv1(active))))
        return inner + (x if self.shortcut is None else self.shortcut(active))


@networks.register("wide_resnet")
@dataclass(frozen=True)
class WideResNet(Network):
    """WRN-depth-widen for images of about 32 × 32 (Zagoruyko & Komodakis, 2016), with ReLU.

    Parameters
    ----------
    depth: 6 n + 4 for n blocks in each of the three stages.
    widen: how many times wider than 16, 32 and 64 channels the stages are.
    """

    reads = "images"

    depth: Annotated[int, Ge(10)] = 28
    widen: Annotated[int, Ge(1)] = 2

    def build(self, task: Task, generator: Generator) -> Classifier:
        if (self.depth - 4) % 6:
            raise ValueError(f"network 'wide_resnet': depth must be 6 n + 4 (10, 16, 22, 28 ...), got {self.depth}")
        if min(task.shape[1:]) < 4:
            raise ValueError(f"network 'wide_resnet' takes images of at least 4 × 4 pixels, got {task.shape[1:]}")
        channels = 16
        parts: list[nn.Module] = [nn.Conv2d(task.shape[0], channels, 3, 1, 1, bias=False, device="meta")]
        for stage in range(3):
            wide = 16 * 2**stage * self.widen
            for number in range((self.depth - 4) // 6):
                parts.append(_Block(channels, wide, 2 if stage and not number else 1))
                channels = wide
        parts += [nn.BatchNorm2d(channels, device="meta"), nn.ReLU(), MeanOverPlaces()]
        backbone = nn.Sequential(*parts).to_empty(device="cpu")
        initialise(backbone, generator)
        return Classifier(backbone, new_head(channels, task.num_classes), [(str(n),) for n in range(len(parts))])
