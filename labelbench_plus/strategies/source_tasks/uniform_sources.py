"""The same number of labels of every source."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from labelbench_plus.algorithms.water_filling import water_fill
from labelbench_plus.source_tasks.allocation import Allocation
from labelbench_plus.source_tasks.space import Finite
from labelbench_plus.source_tasks.view import SourceView
from labelbench_plus.strategies import SourceStrategy, strategies
from labelbench_plus.strategies.source_tasks._spend import spend


@strategies.register("uniform_sources")
@dataclass(frozen=True)
class UniformSources(SourceStrategy):
    """Spread labels evenly: what every other allocation is measured against (passive multi-task learning).

    On a continuous space, evenly over the view's passive sources. It needs no model, so it also serves as the first,
    coarse round of strategies that do.
    """

    title = "All sources alike"

    def select(self, view: SourceView, n: int, rng: Generator) -> Allocation:
        if isinstance(view.space, Finite):
            return spend(view, np.zeros(len(view.sources)), n, floor=0)
        return Allocation.merged(view.passive_sources, water_fill(np.zeros(len(view.passive_sources)), n))
