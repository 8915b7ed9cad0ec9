"""What every network builds: a backbone with a linear head, and how deep each of its weights lies."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Classifier(nn.Module):
    """logits = head(backbone(x)).

    Parameters
    ----------
    backbone: inputs (n, ...) to embeddings (n, h). What it does to inputs that come as features, or as images with
        values in 0..1 (resizing, grey to colour, mean and scale), is its own business.
    head: embeddings to logits (n, K).
    layers: prefixes of the names of the backbone's parameters, one tuple a layer, from the input upwards: what
        layer-wise decay of the learning rate goes by. A parameter belongs to the layer with the longest fitting
        prefix; one that fits none counts as of the lowest layer. The head lies above them all.
    """

    def __init__(self, backbone: nn.Module, head: nn.Module, layers: Sequence[Sequence[str]] = ()) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head
        self._layers = tuple(tuple(prefixes) for prefixes in layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.backbone(x))

    def depths(self) -> dict[str, int]:
        """For each parameter by name how many layers lie above it: 0 for the head."""
        found = {}
        for name, _ in self.named_parameters():
            if name.startswith("head."):
                found[name] = 0
                continue
            inner = name.removeprefix("backbone.")
            fitting = [
                (len(prefix), number)
                for number, prefixes in enumerate(self._layers)
                for prefix in prefixes
                if inner == prefix or inner.startswith(f"{prefix}.")
            ]
            found[name] = len(self._layers) - max(fitting)[1] if fitting else max(len(self._layers), 1)
        return found


class MeanOverPlaces(nn.Module):
    """(n, c, h, w) to (n, c). Unlike adaptive pooling's, its gradient is the same bits each time on a GPU."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=(2, 3))


@torch.no_grad()
def initialise(module: nn.Module, generator: torch.Generator) -> None:
    """Give every weight its first value, drawn from one generator (He et al., 2015); biases start at zero."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.reset_parameters()  # draws nothing
        elif isinstance(part, nn.Linear | nn.Conv2d):
            fan = part.weight[0].numel()
            part.weight.copy_(torch.randn(part.weight.shape, generator=generator) * (2 / fan) ** 0.5)
            if part.bias is not None:
                part.bias.zero_()


def new_head(width: int, num_classes: int) -> nn.Linear:
    """A linear head that starts at zero: the first predictions are uniform, whatever the backbone is."""
    head = nn.Linear(width, num_classes, device="meta").to_empty(device="cpu")
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    return head
