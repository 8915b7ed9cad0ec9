"""What every problem of source-task selection declares."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from labelbench_plus.contracts.problems import Problem
from labelbench_plus.source_tasks.data import SourceModel
from labelbench_plus.source_tasks.view import TRUE_HEADS


class SourceProblem(Problem):
    """Buy labels of source tasks so that a representation learned on them serves targets with few labels.

    Target labels are part of the problem and cost nothing; nobody can buy more of them.

    Attributes
    ----------
    ranks_by: the score that ranks; less of it is better.
    """

    query = "sources"
    unit = "source labels"
    declares = TRUE_HEADS
    ranks_by: ClassVar[str] = "excess_risk"

    def capacity(self) -> float:
        return math.inf

    def validation_labels(self) -> int:
        return 0

    def primary_metric(self) -> tuple[str, bool]:
        return self.ranks_by, False


def excess_scores(model: SourceModel, tests: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
    """Excess risk of a model against noise-free test values, and the part of it that is the representation's.

    Parameters
    ----------
    tests: inputs (n, ...) and noise-free values (n,) of each target.

    Returns
    -------
    excess_risk: mean over targets of E (f̂ − f)².
    representation_excess: the same with the head refitted to the noise-free values.
    sources_opened: how many sources the model was trained on.
    """
    excess, own = [], []
    for target, (inputs, values) in enumerate(tests):
        features = model.representation(inputs)
        excess.append(float(((features @ model.target_heads[:, target] - values) ** 2).mean()))
        refitted = np.linalg.lstsq(features, values, rcond=1e-10)[0]
        own.append(float(((features @ refitted - values) ** 2).mean()))
    return {
        "excess_risk": float(np.mean(excess)),
        "representation_excess": float(np.mean(own)),
        "sources_opened": float(model.sources_opened),
    }
