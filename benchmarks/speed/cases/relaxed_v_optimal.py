"""Continuous V-optimal design with a certificate, rounded to distinct rows."""

from __future__ import annotations

from torch import Tensor

from benchmarks.speed.case import Case, SpeedSetting
from benchmarks.speed.cases.d_optimal import RIDGE
from benchmarks.speed.cases.v_optimal import mean_variance
from labelbench_plus.algorithms.design.design_rounding import round_v_optimal
from labelbench_plus.algorithms.design.relaxed_design import relaxed_v_optimal


def ours(setting: SpeedSetting) -> Tensor:
    x, labelled = setting.pool.features, setting.pool.labelled
    design = relaxed_v_optimal(x, setting.batch, ridge=RIDGE, labelled=labelled, tolerance=1e-3)
    return round_v_optimal(x, design, ridge=RIDGE, labelled=labelled).picks


CASE = Case(
    ours=ours,
    textbook=None,
    quality=mean_variance,
    quality_name="mean prediction variance over the pool of the rounded design (less is better)",
    same_picks=False,
    largest=50_000,
)
