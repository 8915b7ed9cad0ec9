"""What networks that are a pretrained image model of some library share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labelbench_plus.networks import Network, Task

if TYPE_CHECKING:
    import torch

    from labelbench_plus.contracts.classifier import Classifier
    from labelbench_plus.models.image_model import ImageModel


class PretrainedNetwork(Network):
    """A model without its classifier, and a linear head that starts at zero."""

    reads = "images"

    def found(self) -> ImageModel:
        """The model that the fields name."""
        raise NotImplementedError

    def build(self, task: Task, generator: torch.Generator) -> Classifier:
        from labelbench_plus.networks._image_model import image_classifier

        return image_classifier(self.found().load(generator), task, self.name)

    def image_size(self) -> int:
        return self.found().side()

    def fingerprint(self) -> str:
        return self.found().fingerprint()
