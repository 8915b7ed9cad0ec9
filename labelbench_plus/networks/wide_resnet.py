"""Wide residual networks, what semi-supervised learning on small images is usually compared on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge

from labelbench_plus.networks import Network, Task, networks
from labelbench_plus.reference import Reference

if TYPE_CHECKING:
    from torch import Generator, nn

    from labelbench_plus.contracts.classifier import Classifier


@networks.register("wide_resnet")
@dataclass(frozen=True)
class WideResNet(Network):
    """WRN-depth-widen for images of about 32 × 32 (Zagoruyko & Komodakis, 2016), with ReLU.

    Parameters
    ----------
    depth: 6 n + 4 for n blocks in each of the three stages.
    widen: how many times wider than 16, 32 and 64 channels the stages are.
    """

    title = "Wide ResNet"
    reference = Reference(("Zagoruyko", "Komodakis"), 2016)
    version = 2  # 1 counted the ReLU and the mean at the end as layers, so that `layer_decay` slowed all others twice
    reads = "images"

    depth: Annotated[int, Ge(10)] = 28
    widen: Annotated[int, Ge(1)] = 2

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        return {"depth": 10, "widen": 1}

    def build(self, task: Task, generator: Generator) -> Classifier:
        from torch import nn

        from labelbench_plus.contracts.classifier import Classifier
        from labelbench_plus.networks._classifier import MeanOverPlaces, initialise, new_head
        from labelbench_plus.networks._residual_block import ResidualBlock

        if (self.depth - 4) % 6:
            raise ValueError(f"network 'wide_resnet': depth must be 6 n + 4 (10, 16, 22, 28 ...), got {self.depth}")
        if min(task.shape[1:]) < 4:
            raise ValueError(f"network 'wide_resnet' takes images of at least 4 × 4 pixels, got {task.shape[1:]}")
        channels = 16
        parts: list[nn.Module] = [nn.Conv2d(task.shape[0], channels, 3, 1, 1, bias=False, device="meta")]
        for stage in range(3):
            wide = 16 * 2**stage * self.widen
            for number in range((self.depth - 4) // 6):
                parts.append(ResidualBlock(channels, wide, 2 if stage and not number else 1))
                channels = wide
        layers = [(str(number),) for number in range(len(parts) + 1)]  # what comes after the norm has no weights
        parts += [nn.BatchNorm2d(channels, device="meta"), nn.ReLU(), MeanOverPlaces()]
        backbone = nn.Sequential(*parts).to_empty(device="cpu")
        initialise(backbone, generator)
        return Classifier(backbone, new_head(channels, task.num_classes), layers)
