"""Continuous A-optimal design with a certificate, rounded to distinct rows."""

from __future__ import annotations

import torch
from torch import Tensor

from benchmarks.speed.case import Case, SpeedSetting
from benchmarks.speed.cases.d_optimal import RIDGE, information
from labelbench_plus.algorithms.design.design_rounding import round_a_optimal
from labelbench_plus.algorithms.design.relaxed_design import relaxed_a_optimal


def ours(setting: SpeedSetting) -> Tensor:
    x, labelled = setting.pool.features, setting.pool.labelled
    design = relaxed_a_optimal(x, setting.batch, ridge=RIDGE, labelled=labelled, tolerance=1e-3)
    return round_a_optimal(x, design, ridge=RIDGE, labelled=labelled).picks


CASE = Case(
    ours=ours,
    textbook=None,
    quality=lambda s, picks: float(torch.linalg.inv(information(s, picks)).trace()),
    quality_name="trace(M⁻¹) of the rounded design (less is better)",
    same_picks=False,
    largest=50_000,
)
