"""Publications that several strategies come from."""

from __future__ import annotations

from labelbench_plus.reference import Reference

LABEL_EFFICIENT_FINETUNING = Reference(
    ("Bhatt", "Chen", "Das", "Zhang", "Truong", "Mussmann", "Zhu", "Bilmes", "Du", "Jamieson", "Ash", "Nowak"),
    2024,
    "An experimental design framework for label-efficient supervised finetuning of LLMs",
    venue="Findings of ACL",
    arxiv="2401.06692",
)
OPTIMAL_DESIGN = Reference(("Pukelsheim",), 2006, "Optimal design of experiments")
