"""Greedy A-optimal design from a labelled set."""

from __future__ import annotations

import torch

from benchmarks.speed.case import Case
from benchmarks.speed.cases.d_optimal import RIDGE, design_loop, information
from labelbench_plus.algorithms.design.greedy_design import a_optimal

CASE = Case(
    ours=lambda s: a_optimal(s.pool.features, s.batch, ridge=RIDGE, labelled=s.pool.labelled),
    textbook=lambda s: design_loop(s, None, trace=True),
    quality=lambda s, picks: float(torch.linalg.inv(information(s, picks)).trace()),
    quality_name="trace(M⁻¹) (less is better)",
    same_picks=True,
)
