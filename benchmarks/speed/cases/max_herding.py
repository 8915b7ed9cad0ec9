"""MaxHerding: facility location under a Gaussian of fixed width."""

from __future__ import annotations

import torch

from benchmarks.speed.case import Case, SpeedSetting
from benchmarks.speed.cases import facility_location
from labelbench_plus.algorithms.max_herding import max_herding

GAMMA = 1.0


def generalised_coverage(setting: SpeedSetting, picks: object) -> float:
    chosen = torch.cat([setting.pool.labelled, setting.pool.features[torch.as_tensor(picks)]]).double()
    total = 0.0
    for part in setting.pool.features.split(1024):
        total += float(torch.exp(-torch.cdist(part.double(), chosen).amin(dim=1).square() / GAMMA).sum())
    return total / len(setting.pool.features)


CASE = Case(
    ours=lambda s: max_herding(s.pool.features, s.batch, gamma=GAMMA, centers=s.pool.labelled),
    textbook=lambda s: facility_location.textbook(s, GAMMA),
    quality=generalised_coverage,
    quality_name="generalised coverage (more is better)",
    same_picks=True,
    largest=50_000,
    textbook_largest=10_000,
)
