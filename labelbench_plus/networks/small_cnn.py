"""A small convolutional network for small images, trained from the start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge

from labelbench_plus.networks import Network, Task, networks
from labelbench_plus.plugins import Since

if TYPE_CHECKING:
    import torch

    from labelbench_plus.contracts.classifier import Classifier


@networks.register("small_cnn")
@dataclass(frozen=True)
class SmallCNN(Network):
    """Three 3 × 3 convolutions with batch normalisation and ReLU, pooling after each, then the mean over places.

    Parameters
    ----------
    width: channels of the first convolution; the next ones have twice and four times as many.
    cells: the mean is taken in so many cells a side, each for itself: what is where counts, where it counts.
    """

    title = "Small convolutional network"
    reads = "images"

    width: Annotated[int, Ge(1)] = 16
    cells: Annotated[int, Ge(1), Since("0.1")] = 1

    def build(self, task: Task, generator: torch.Generator) -> Classifier:
        from torch import nn

        from labelbench_plus.contracts.classifier import Classifier
        from labelbench_plus.networks._classifier import MeanInCells, MeanOverPlaces, initialise, new_head

        channels, height, width = task.shape
        if min(height, width) < 8:
            raise ValueError(f"network 'small_cnn' takes images of at least 8 × 8 pixels, got {height} × {width}")
        if min(height, width) // 4 < self.cells:
            raise ValueError(
                f"network 'small_cnn': {self.cells} cells a side are more than the {min(height, width) // 4} places "
                f"that {height} × {width} pixels are pooled to"
            )
        mean = MeanOverPlaces() if self.cells == 1 else MeanInCells(self.cells)
        blocks = []
        for number in range(3):
            wide = self.width * 2**number
            # The largest of four rectified numbers is the largest of the four, rectified: a quarter of the work.
            last = [nn.MaxPool2d(2), nn.ReLU()] if number < 2 else [nn.ReLU(), mean]
            convolution = nn.Conv2d(channels, wide, 3, padding=1, bias=False, device="meta")
            blocks.append(nn.Sequential(convolution, nn.BatchNorm2d(wide, device="meta"), *last))
            channels = wide
        backbone = nn.Sequential(*blocks).to_empty(device="cpu")
        initialise(backbone, generator)
        return Classifier(
            backbone, new_head(channels * self.cells**2, task.num_classes), [(str(number),) for number in range(3)]
        )
