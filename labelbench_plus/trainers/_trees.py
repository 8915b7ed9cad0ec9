"""From scikit-learn's trees to arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from labelbench_plus.algorithms.learners.trees import Trees


def arrays_of(grown: Sequence[Any], device: torch.device) -> Trees:
    """The trees of fitted `DecisionTreeRegressor`s, or of `DecisionTreeClassifier`s, whose values are (P, K)."""
    trees = [each.tree_ for each in grown]
    size = max(tree.node_count for tree in trees)

    def stacked(name: str, dtype: Any) -> np.ndarray:
        columns = getattr(trees[0], name).reshape(trees[0].node_count, -1).shape[1]
        out = np.zeros((len(trees), size, columns), dtype)
        for row, tree in zip(out, trees, strict=True):
            row[: tree.node_count] = getattr(tree, name).reshape(tree.node_count, columns)
        return out if columns > 1 else out[:, :, 0]

    left, right = stacked("children_left", np.int64), stacked("children_right", np.int64)
    itself, leaf = np.arange(size), left < 0
    parts = {
        "feature": np.where(leaf, 0, stacked("feature", np.int64)),
        "threshold": stacked("threshold", np.float64),
        "left": np.where(leaf, itself, left),
        "right": np.where(leaf, itself, right),
        "value": stacked("value", np.float64),
    }
    depth = int(max(tree.max_depth for tree in trees))
    return Trees(**{name: torch.as_tensor(part, device=device) for name, part in parts.items()}, depth=depth)
