"""The encoder of the synthesiser `reconstructor`: what it knows, without its pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from labelbench_plus.contracts.synthesisers import Synthesiser, synthesisers
from labelbench_plus.networks import Network, Task, networks
from labelbench_plus.plugins import From, label

if TYPE_CHECKING:
    import torch

    from labelbench_plus.contracts.classifier import Classifier


@networks.register("reconstructor")
@dataclass(frozen=True)
class ReconstructorEncoder(Network):
    """The backbone that a reconstructor of scenes has learned, under a new head.

    A generator that sees a photograph alone adds nothing to it: what its views bring was learned on other scenes. Here
    the same goes into the classifier directly. Where this gains as much, what was bought is pretraining, not views.

    Parameters
    ----------
    reconstructor: whose backbone; the other scenes that it learned from are billed beside the budget.
    """

    title = "A reconstructor's encoder"
    reads = "images"

    reconstructor: Annotated[Synthesiser, From("synthesisers")] = field(
        default_factory=lambda: synthesisers.build("reconstructor")
    )

    def __post_init__(self) -> None:
        if not hasattr(self.reconstructor, "trained"):
            raise ValueError(
                f"synthesiser {label(self.reconstructor)!r} has no network that reads photographs; 'reconstructor' has"
            )

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        network = {"name": "small_cnn", "width": 4, "cells": 2}
        return {"reconstructor": {"name": "reconstructor", "scenes": 64, "steps": 3, "network": network}}

    def build(self, task: Task, generator: torch.Generator) -> Classifier:
        from labelbench_plus.contracts.classifier import Classifier
        from labelbench_plus.networks._classifier import new_head

        channels, height, width = task.shape
        if channels != 3 or height != width:
            raise ValueError(
                f"network 'reconstructor' reads square colour photographs, got {channels} channels, {height} × "
                f"{width}; for strips of them there is 'per_view'"
            )
        learned: Classifier = self.reconstructor.trained(height)  # type: ignore[attr-defined]
        backbone = learned.backbone.requires_grad_(True)
        head = new_head(next(learned.head.parameters()).shape[1], task.num_classes)
        return Classifier(backbone, head, learned.layers)

    def fingerprint(self) -> str:
        return self.reconstructor.fingerprint()
