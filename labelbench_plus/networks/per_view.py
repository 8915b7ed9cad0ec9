"""One network over every square of a strip, then a head over all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

from labelbench_plus.networks import Network, Task, networks
from labelbench_plus.plugins import From, label

if TYPE_CHECKING:
    import torch

    from labelbench_plus.contracts.classifier import Classifier


@networks.register("per_view")
@dataclass(frozen=True)
class PerView(Network):
    """The backbone of a network, with the same weights for every square; its outputs are concatenated.

    For the strips of the data set `with_views`. Of a single square it is the network itself.

    Parameters
    ----------
    network: it reads images.
    """

    title = "One network for all views"
    reads = "images"

    network: Annotated[Network, From("networks")]

    def __post_init__(self) -> None:
        if self.network.reads != "images":
            raise ValueError(f"network {label(self.network)!r} reads {self.network.reads}, and views are images")

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        return {"network": {"name": "small_cnn", "width": 4}}

    def build(self, task: Task, generator: torch.Generator) -> Classifier:
        from torch import nn

        from labelbench_plus.contracts.classifier import Classifier
        from labelbench_plus.inputs.layouts import squares_in
        from labelbench_plus.networks._classifier import new_head
        from labelbench_plus.networks._per_view import SharedBackbone

        channels, height, width = task.shape
        views = squares_in(height, width)
        inner = self.network.build(replace(task, shape=(channels, height, height)), generator)
        layers = [tuple(f"inner.{prefix}" for prefix in prefixes) for prefixes in inner.layers]
        if not isinstance(inner.head, nn.Linear):
            raise ValueError(f"network {label(self.network)!r} has a head of its own kind; views take a linear one")
        head = new_head(views * inner.head.in_features, task.num_classes)
        return Classifier(SharedBackbone(inner.backbone), head, layers)

    def fingerprint(self) -> str:
        return self.network.fingerprint()
