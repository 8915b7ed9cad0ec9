"""Graph cut with a labelled set."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.speed.case import Case, SpeedSetting
from benchmarks.speed.cases.facility_location import similarity_to
from labelbench_plus.algorithms.blocks.similarity import mean_squared_distance
from labelbench_plus.algorithms.graph_cut import graph_cut

TRADE_OFF = 2.0


def textbook(setting: SpeedSetting) -> np.ndarray:
    """Gains of all rows kept up to date with one column of similarities a pick."""
    x, labelled, similarity = setting.pool.features.numpy(), setting.pool.labelled.numpy(), similarity_to(setting)
    gains = np.full(len(x), -1.0)
    for start in range(0, len(x), 256):
        gains += TRADE_OFF * similarity(x[start : start + 256]).sum(axis=1)
    if len(labelled):
        gains += (TRADE_OFF - 2) * similarity(labelled).sum(axis=1)
    picks = np.empty(setting.batch, dtype=np.int64)
    for k in range(setting.batch):
        pick = picks[k] = gains.argmax()
        gains -= 2 * similarity(x[pick : pick + 1])[:, 0]
        gains[pick] = -np.inf
    return picks


def cut(setting: SpeedSetting, picks: np.ndarray) -> float:
    """The objective over the size of the pool, in float64."""
    pool = torch.cat([setting.pool.features, setting.pool.labelled]).double()
    n = len(setting.pool.features)
    gamma = mean_squared_distance(setting.pool.features, setting.pool.labelled)
    chosen = torch.cat([torch.as_tensor(picks), torch.arange(n, len(pool))])
    to_all = sum(float(torch.exp(-torch.cdist(part, pool[chosen]).square() / gamma).sum()) for part in pool.split(1024))
    among = float(torch.exp(-torch.cdist(pool[chosen], pool[chosen]).square() / gamma).sum())
    return (TRADE_OFF * to_all - among) / len(pool)


CASE = Case(
    ours=lambda s: graph_cut(s.pool.features, s.batch, trade_off=TRADE_OFF, centers=s.pool.labelled),
    textbook=textbook,
    quality=cut,
    quality_name="graph cut over the size of the pool (more is better)",
    same_picks=True,
    largest=50_000,
    textbook_largest=10_000,
)
