"""k-means to 500 clusters from the start that scikit-learn takes: the best of 2 + ⌊log K⌋ rows, again and again."""

from __future__ import annotations

from math import log

import numpy as np

from benchmarks.speed.case import Case, Rival
from benchmarks.speed.cases.k_means import clusters, inertia, scikit_learn
from labelbench_plus.algorithms.k_means import k_means

CASE = Case(
    ours=lambda s: (
        k_means(s.pool.features, clusters(s), np.random.default_rng(s.seed), trials=2 + int(log(clusters(s)))).labels
    ),
    textbook=None,
    quality=inertia,
    quality_name="inertia (less is better)",
    same_picks=False,
    largest=50_000,
    rivals={"scikit-learn": Rival(scikit_learn)},
)
