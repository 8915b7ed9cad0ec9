"""Parts that networks share: first weights, a head that starts at zero, a mean over places."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from labelbench_plus.contracts.classifier import Classifier

__all__ = ["Classifier", "MeanInCells", "MeanOverPlaces", "initialise", "new_head"]  # what networks are written with


class MeanOverPlaces(nn.Module):
    """(n, c, h, w) to (n, c). Unlike adaptive pooling's, its gradient is the same bits each time on a GPU."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=(2, 3))


class MeanInCells(nn.Module):
    """(n, c, h, w) to (n, c·k²): the mean in each of k × k cells; those of the last row and column may be larger."""

    def __init__(self, cells: int) -> None:
        super().__init__()
        self.cells = cells

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = (self._edges(side) for side in x.shape[2:])
        parts = [x[:, :, a:b, c:d].mean(dim=(2, 3)) for a, b in rows for c, d in columns]
        return torch.cat(parts, dim=1)

    def _edges(self, side: int) -> list[tuple[int, int]]:
        step = side // self.cells
        return [(i * step, side if i == self.cells - 1 else (i + 1) * step) for i in range(self.cells)]


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
