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
GREEDY_SAMPLING = Reference(
    ("Wu", "Lin", "Huang"),
    2019,
    "Active learning for regression using greedy sampling",
    venue="Information Sciences",
    arxiv="1808.04245",
)
DEEP_BATCHES_FOR_REGRESSION = Reference(
    ("Holzmüller", "Zaverkin", "Kästner", "Steinwart"),
    2023,
    "A framework and benchmark for deep batch active learning for regression",
    venue="JMLR",
    arxiv="2203.09410",
)
PROXY_REWARD = Reference(
    ("Chen", "Wang", "Yang", "Sharma", "Karampatziakis", "Yu", "Jamieson", "Du", "Shen"),
    2024,
    "Cost-effective proxy reward model construction with on-policy and active learning",
    arxiv="2407.02119",
)
