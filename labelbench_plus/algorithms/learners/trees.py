"""Trees that were grown elsewhere, as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

CHUNK_NODES = 2**21  # positions of rows in trees that are held at once


@dataclass(frozen=True)
class Trees:
    """T binary trees of up to P nodes, the root first; shorter ones are filled up.

    Attributes
    ----------
    feature: (T, P) int64, the column a node asks about. threshold: (T, P) float64.
    left, right: (T, P) int64, where rows go whose entry is at most the threshold, and where others do; a leaf's are
        itself.
    value: (T, P) or (T, P, K) float64, the mean of what a node has seen, or its share of each class.
    depth: of the deepest tree.
    """

    feature: Tensor
    threshold: Tensor
    left: Tensor
    right: Tensor
    value: Tensor
    depth: int

    def predictions(self, features: Tensor) -> Tensor:
        """(T, N) or (T, N, K) float64 of features (N, d), which are read in single precision.

        O(N T depth) time, memory of `CHUNK_NODES` beyond the result.
        """
        trees = len(self.feature)
        shape = (trees, len(features), *self.value.shape[2:])
        out = torch.empty(shape, dtype=torch.float64, device=features.device)
        every = torch.arange(trees, device=features.device)[:, None]
        step = max(1, CHUNK_NODES // max(1, trees))
        for start in range(0, len(features), step):
            rows = features[start : start + step].to(torch.float32).to(torch.float64)
            node = torch.zeros(trees, len(rows), dtype=torch.int64, device=features.device)
            across = torch.arange(len(rows), device=features.device)
            for _ in range(self.depth):
                entry = rows[across, self.feature.gather(1, node)]
                lower = entry <= self.threshold.gather(1, node)
                node = torch.where(lower, self.left.gather(1, node), self.right.gather(1, node))
            out[:, start : start + step] = self.value[every, node]
        return out
