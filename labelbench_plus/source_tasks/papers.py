"""The publications that problems, strategies and trainers of source tasks come from."""

from __future__ import annotations

from labelbench_plus.reference import Reference

A_MTRL = Reference(
    ("Chen", "Jamieson", "Du"), 2022, "Active multi-task representation learning", venue="ICML", arxiv="2202.00911"
)
L1_A_MTRL = Reference(
    ("Wang", "Chen", "Jamieson", "Du"),
    2023,
    "Improved active multi-task representation learning via Lasso",
    venue="ICML",
    arxiv="2306.02556",
)
TASK_SPACE = Reference(
    ("Chen", "Huang", "Du", "Jamieson", "Shi"),
    2023,
    "Active representation learning for general task space",
    venue="NeurIPS",
    arxiv="2306.08942",
)
