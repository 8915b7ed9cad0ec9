"""Improved greedy sampling from a labelled set, outputs being a linear function of the features."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from benchmarks.speed.case import Case, SpeedSetting
from labelbench_plus.algorithms.greedy_sampling import igs


def outputs(setting: SpeedSetting) -> tuple[Tensor, Tensor]:
    """Of the pool and of the labelled rows."""
    weights = torch.randn(setting.pool.features.shape[1], generator=torch.Generator().manual_seed(setting.seed))
    return setting.pool.features @ weights, setting.pool.labelled @ weights


def textbook(setting: SpeedSetting) -> np.ndarray:
    x, labelled = setting.pool.features.numpy(), setting.pool.labelled.numpy()
    f, y = (values.numpy() for values in outputs(setting))
    norms = np.einsum("ij,ij->i", x, x)
    product = np.full(len(x), np.inf, dtype=np.float32)
    for start in range(0, len(x), 4096):
        rows = slice(start, start + 4096)
        squared = norms[rows, None] + np.einsum("ij,ij->i", labelled, labelled) - 2 * x[rows] @ labelled.T
        product[rows] = (squared * (f[rows, None] - y) ** 2).min(axis=1, initial=np.inf)
    picks = np.empty(setting.batch, dtype=np.int64)
    for k in range(setting.batch):
        pick = picks[k] = product.argmax()
        np.minimum(product, (norms + norms[pick] - 2 * (x @ x[pick])) * (f - f[pick]) ** 2, out=product)
        product[pick] = -1
    return picks


def ours(setting: SpeedSetting) -> Tensor:
    f, y = outputs(setting)
    return igs(setting.pool.features, f, setting.batch, labelled=setting.pool.labelled, labels=y)


def largest_left(setting: SpeedSetting, picks: np.ndarray) -> float:
    """The largest product left, times a million."""
    rows = torch.as_tensor(picks)
    f, y = outputs(setting)
    labelled, labels = torch.cat([setting.pool.labelled, setting.pool.features[rows]]), torch.cat([y, f[rows]])
    left = igs(setting.pool.features, f, 1, labelled=labelled, labels=labels)
    near = (setting.pool.features[left] - labelled).double().square().sum(dim=1)
    return 1e6 * float((near * (f[left] - labels).double().square()).min())


CASE = Case(
    ours=ours,
    textbook=textbook,
    quality=largest_left,
    quality_name="largest squared product left, times a million (less is better)",
    same_picks=True,
)
