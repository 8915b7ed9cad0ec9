"""Step 1 of Cluster-Margin: average linkage of the whole pool into as many clusters as picks."""

from __future__ import annotations

import numpy as np

from benchmarks.speed.case import Case, Rival, SpeedSetting
from labelbench_plus.algorithms.cluster_margin import average_linkage, average_linkage_of_groups

EXACT = 10_000  # rows up to which all pairs fit the default memory limit


def ours(setting: SpeedSetting) -> np.ndarray:
    x = setting.pool.features
    if len(x) <= EXACT:
        return average_linkage(x, setting.batch).numpy()
    return average_linkage_of_groups(x, setting.batch, np.random.default_rng(setting.seed)).numpy()


def scipy(setting: SpeedSetting) -> np.ndarray:
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import pdist

    tree = linkage(pdist(setting.pool.features.double().numpy(), "sqeuclidean"), "average")
    return fcluster(tree, setting.batch, "maxclust")


def within(setting: SpeedSetting, clusters: np.ndarray) -> float:
    """Mean squared distance of a row to the mean of its cluster."""
    x = setting.pool.features.double().numpy()
    _, own = np.unique(clusters, return_inverse=True)
    sums = np.zeros((own.max() + 1, x.shape[1]))
    np.add.at(sums, own, x)
    return float(((x - (sums / np.bincount(own)[:, None])[own]) ** 2).sum(axis=1).mean())


CASE = Case(
    ours=ours,
    textbook=None,
    quality=within,
    quality_name="mean squared distance to the own cluster's mean (neither way is better; exact trees agree)",
    same_picks=False,
    axes=frozenset({"d", "B"}),
    largest=50_000,
    rivals={"scipy": Rival(scipy, largest=EXACT)},
)
