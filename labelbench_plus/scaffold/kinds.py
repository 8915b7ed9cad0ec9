"""What `lbp new` can begin. Apart from `create`, so that `lbp --help` need not import what fills templates in."""

from __future__ import annotations

from typing import Literal, get_args

Kind = Literal[
    "strategy",
    "trainer",
    "problem",
    "dataset",
    "metric",
    "condition",
    "network",
    "augmentation",
    "combiner",
    "synthesiser",
    "annotator",
]
License = Literal["MIT", "BSD-3-Clause", "none"]
Task = Literal["classification", "regression"]
PLURAL: dict[Kind, str] = {kind: "strategies" if kind == "strategy" else f"{kind}s" for kind in get_args(Kind)}
