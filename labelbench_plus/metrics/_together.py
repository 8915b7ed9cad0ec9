"""Scores of groups that are right as a whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


def share_of_groups(probabilities: Tensor, labels: Tensor, groups: Tensor, merged: int) -> float:
    """The share of groups without a wrong example, `merged` consecutive groups counting as one."""
    import torch

    inside = groups >= 0
    if not bool(inside.any()):
        raise ValueError("accuracy of groups: no example is in a group")
    of = groups[inside] // merged
    wrong = (probabilities.argmax(dim=1) != labels).double()[inside]
    total, missed = torch.bincount(of), torch.bincount(of, weights=wrong)
    return float((missed[total > 0] == 0).double().mean())


def denominators(groups: np.ndarray | None, merged: int) -> frozenset[int]:
    """How many such groups there are."""
    assert groups is not None
    return frozenset({len(np.unique(groups[groups >= 0] // merged))})
