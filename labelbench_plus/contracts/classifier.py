"""What every network builds: a backbone with a linear head, and the depth of each of its weights."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


class Classifier(nn.Module):
    """logits = head(backbone(x)).

    Parameters
    ----------
    backbone: inputs (n, ...) to embeddings (n, h). What it does to inputs that come as features, or as images with
        values in 0..1 (resizing, grey to colour, mean and scale) is up to it.
    head: embeddings to logits (n, K).
    layers: prefixes of the names of the backbone's parameters, one tuple per layer, from the input upwards, for
        layer-wise decay of the learning rate. A parameter belongs to the layer with the longest fitting
        prefix; one that fits none counts as part of the lowest layer. The head is above them all.
    """

    def __init__(self, backbone: nn.Module, head: nn.Module, layers: Sequence[Sequence[str]] = ()) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head
        self.layers = tuple(tuple(prefixes) for prefixes in layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.backbone(x))

    def depths(self) -> dict[str, int]:
        """For each parameter by name, how many layers are above it: 0 for the head."""
        found = {}
        for name, _ in self.named_parameters():
            if name.startswith("head."):
                found[name] = 0
                continue
            inner = name.removeprefix("backbone.")
            fitting = [
                (len(prefix), number)
                for number, prefixes in enumerate(self.layers)
                for prefix in prefixes
                if inner == prefix or inner.startswith(f"{prefix}.")
            ]
            found[name] = len(self.layers) - max(fitting)[1] if fitting else max(len(self.layers), 1)
        return found
