"""The building block of wide residual networks."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """Two convolutions, each after batch normalisation and ReLU, beside a shortcut."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(before, device="meta")
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False, device="meta")
        self.norm2 = nn.BatchNorm2d(after, device="meta")
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False, device="meta")
        same = before == after and stride == 1
        self.shortcut = None if same else nn.Conv2d(before, after, 1, stride, bias=False, device="meta")

    def forward(self, x: Tensor) -> Tensor:
        active = torch.relu(self.norm1(x))
        inner = self.conv2(torch.relu(self.norm2(self.conv1(active))))
        return inner + (x if self.shortcut is None else self.shortcut(active))
