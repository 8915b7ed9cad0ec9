"""The module of the network `per_view`."""

from __future__ import annotations

from torch import Tensor, nn

from labelbench_plus.inputs.layouts import squares_in


class SharedBackbone(nn.Module):
    """(n, c, h, v·h) to (n, v·d): one backbone for every square, their embeddings (n, d) side by side."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        n, channels, height, width = x.shape
        views = squares_in(height, width)
        squares = x.reshape(n, channels, height, views, height).permute(0, 3, 1, 2, 4)
        embeddings: Tensor = self.inner(squares.reshape(n * views, channels, height, height))
        return embeddings.reshape(n, -1)
