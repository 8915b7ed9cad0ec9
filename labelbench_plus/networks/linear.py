"""A linear classifier on frozen features, trained by gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labelbench_plus.networks import Network, Task, networks

if TYPE_CHECKING:
    import torch

    from labelbench_plus.contracts.classifier import Classifier


@networks.register("linear")
@dataclass(frozen=True)
class Linear(Network):
    """The features and a linear head that starts at zero; the embedding is the features."""

    title = "Linear classifier"
    reads = "features"

    def build(self, task: Task, generator: torch.Generator) -> Classifier:
        from torch import nn

        from labelbench_plus.contracts.classifier import Classifier
        from labelbench_plus.networks._classifier import new_head

        (width,) = task.shape
        return Classifier(nn.Identity(), new_head(width, task.num_classes))
