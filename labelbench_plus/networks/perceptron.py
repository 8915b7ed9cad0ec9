"""A multi-layer perceptron on frozen features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge

from labelbench_plus.networks import Network, Task, networks

if TYPE_CHECKING:
    import torch
    from torch import nn

    from labelbench_plus.contracts.classifier import Classifier


@networks.register("perceptron")
@dataclass(frozen=True)
class Perceptron(Network):
    """Hidden layers with ReLU, He initialisation, and a linear head that starts at zero.

    Parameters
    ----------
    hidden: width of each hidden layer.
    layers: number of hidden layers.
    """

    title = "Multi-layer perceptron"
    reads = "features"

    hidden: Annotated[int, Ge(1)] = 128
    layers: Annotated[int, Ge(1)] = 1

    def build(self, task: Task, generator: torch.Generator) -> Classifier:
        from torch import nn

        from labelbench_plus.contracts.classifier import Classifier
        from labelbench_plus.networks._classifier import initialise, new_head

        (width,) = task.shape
        parts: list[nn.Module] = []
        for number in range(self.layers):
            parts += [nn.Linear(self.hidden if number else width, self.hidden, device="meta"), nn.ReLU()]
        backbone = nn.Sequential(*parts).to_empty(device="cpu")
        initialise(backbone, generator)
        layers = [(str(2 * number),) for number in range(self.layers)]
        return Classifier(backbone, new_head(self.hidden, task.num_classes), layers)
