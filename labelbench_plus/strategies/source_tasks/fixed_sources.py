"""A few sources drawn at random, and only those."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge
from numpy.random import Generator

from labelbench_plus.source_tasks.allocation import Allocation
from labelbench_plus.source_tasks.view import SourceView
from labelbench_plus.strategies import SourceStrategy, strategies
from labelbench_plus.strategies.source_tasks._relevance import largest
from labelbench_plus.strategies.source_tasks._spend import spend


@strategies.register("fixed_sources")
@dataclass(frozen=True)
class FixedSources(SourceStrategy):
    """Spread labels evenly over `sources` sources: the passive counterpart of a strategy limited to so few.

    They are drawn at random as long as all sources have equally many labels; from then on they are those with the
    most. So all later rounds go on with the same ones.

    Parameters
    ----------
    sources: how many.
    """

    title = "A few fixed sources"

    sources: Annotated[int, Ge(1)] = 5

    def select(self, view: SourceView, n: int, rng: Generator) -> Allocation:
        bought = view.bought
        preferred = rng.permutation(len(bought)) if bought.max() - bought.min() <= 1 else bought
        only = largest(preferred.astype(np.float64), self.sources)
        return spend(view, only.astype(np.float64), n, floor=0, only=only)
