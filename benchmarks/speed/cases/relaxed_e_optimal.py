"""Continuous E-optimal design with a certificate, rounded to distinct rows."""

from __future__ import annotations

import torch
from torch import Tensor

from benchmarks.speed.case import Case, SpeedSetting
from benchmarks.speed.cases.d_optimal import RIDGE, information
from labelbench_plus.algorithms.design.design_rounding import round_e_optimal
from labelbench_plus.algorithms.design.relaxed_design import relaxed_e_optimal


def ours(setting: SpeedSetting) -> Tensor:
    x, labelled = setting.pool.features, setting.pool.labelled
    design = relaxed_e_optimal(x, setting.batch, ridge=RIDGE, labelled=labelled, tolerance=1e-2)
    return round_e_optimal(x, design, ridge=RIDGE, labelled=labelled).picks


CASE = Case(
    ours=ours,
    textbook=None,
    quality=lambda s, picks: float(torch.linalg.eigvalsh(information(s, picks))[0]),
    quality_name="smallest eigenvalue of M of the rounded design (more is better)",
    same_picks=False,
    largest=10_000,
)
