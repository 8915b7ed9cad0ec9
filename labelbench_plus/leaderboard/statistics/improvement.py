"""Probability of improvement: how often a strategy ends above another at the same seed.

The share of seeds at which its AUBC is better (a tie counts half), averaged over data sets. One half means no
difference; it does not say by how much. Source: the probability of improvement of Agarwal et al. (NeurIPS 2021), with
pairs at equal seeds in place of all pairs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from labelbench_plus.leaderboard.statistics.estimates import Estimate
from labelbench_plus.leaderboard.statistics.shares import outcomes, share


def probability_of_improvement(gains: Sequence[NDArray[np.float64]], rng: Generator) -> Estimate:
    """Share of paired `gains` above zero; `gains`: for each data set (n,) differences at equal seeds, n ≥ 1."""
    return share([outcomes(of_dataset) for of_dataset in gains], rng)
