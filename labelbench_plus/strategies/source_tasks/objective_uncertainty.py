"""More bits of the objectives whose policies predict them badly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge
from numpy.random import Generator

from labelbench_plus.source_tasks.allocation import Allocation
from labelbench_plus.source_tasks.view import SourceView
from labelbench_plus.strategies import SourceStrategy, strategies
from labelbench_plus.strategies.source_tasks._spend import spend


@strategies.register("objective_uncertainty")
@dataclass(frozen=True)
class ObjectiveUncertainty(SourceStrategy):
    """Divide bits over objectives in proportion to what a held-out bit of each costs its policy.

    Objectives that are alike get alike. Noise that no policy can predict attracts bits as ignorance does.

    Parameters
    ----------
    floor: bits that every objective gets in any case.
    """

    title = "Objectives by their error"
    needs = frozenset({"objective_errors"})

    floor: Annotated[int, Ge(0)] = 10

    def select(self, view: SourceView, n: int, rng: Generator) -> Allocation:
        return spend(view, np.asarray(view.objective_errors, dtype=np.float64), n, floor=self.floor)
