"""Cluster-Margin: clusters against SciPy's average linkage, the batch against a loop over clusters."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist
from torch import Tensor

from labelbench_plus.algorithms.cluster_margin import average_linkage, average_linkage_of_groups, cluster_margin


def features(n: int, d: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def numbered(clusters: list[int]) -> list[int]:
    numbers: dict[int, int] = {}
    return [numbers.setdefault(cluster, len(numbers)) for cluster in clusters]


@pytest.mark.parametrize(("n", "d"), [(2, 1), (9, 2), (30, 3), (75, 8)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_clusters_are_those_of_scipy(n: int, d: int, dtype: torch.dtype) -> None:
    x = features(n, d, seed=n, dtype=dtype)
    tree = linkage(pdist(x.double().numpy(), "sqeuclidean"), "average")
    for k in {1, 2, n // 3 + 1, n - 1, n}:
        expected = numbered(fcluster(tree, k, "maxclust").tolist())
        assert average_linkage(x, k).tolist() == expected


def test_groups_are_agglomerated_by_the_mean_distance_of_their_rows() -> None:
    # Tight, well separated groups of very different sizes: k-means finds them whatever it starts from.
    x = features(40, 3, seed=0)
    member_of = np.repeat(np.arange(8), [1, 1, 2, 3, 5, 8, 9, 11])
    x = x * 1e-3 + 10 * features(8, 3, seed=1)[member_of]
    exact = average_linkage(x, 4)
    found = 0
    for seed in range(30):
        groups = average_linkage_of_groups(x, 8, np.random.default_rng(seed), n_groups=8).tolist()
        if len(set(zip(groups, member_of, strict=True))) == 8:  # all eight groups found
            found += 1
            merged = average_linkage_of_groups(x, 4, np.random.default_rng(seed), n_groups=8)
            assert torch.equal(merged, exact)
    assert found > 0


def slow_average_linkage(x: Tensor, groups: list[list[int]], n_clusters: int) -> set[frozenset[int]]:
    """Merge the two clusters of rows with the least mean squared distance until n_clusters are left."""
    squared = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist") ** 2
    while len(groups) > n_clusters:
        pairs = [(i, j) for j in range(len(groups)) for i in range(j)]
        i, j = min(pairs, key=lambda pair: float(squared[groups[pair[0]]][:, groups[pair[1]]].mean()))
        groups = [group for k, group in enumerate(groups) if k not in (i, j)] + [groups[i] + groups[j]]
    return {frozenset(group) for group in groups}


def members_of(clusters: Tensor) -> list[list[int]]:
    return [(clusters == k).nonzero().squeeze(1).tolist() for k in range(int(clusters.max()) + 1)]


@pytest.mark.parametrize("seed", range(6))
def test_wide_groups_count_their_spread(seed: int) -> None:
    x = features(60, 2, seed=seed) * torch.logspace(-1, 1, 60, dtype=torch.float64)[:, None]
    groups = average_linkage_of_groups(x, 12, np.random.default_rng(seed), n_groups=12, iterations=1)
    for n_clusters in range(1, 12):
        merged = average_linkage_of_groups(x, n_clusters, np.random.default_rng(seed), n_groups=12, iterations=1)
        expected = slow_average_linkage(x, members_of(groups), n_clusters)
        assert {frozenset(group) for group in members_of(merged)} == expected


def test_as_many_groups_as_rows_is_exact() -> None:
    x = features(25, 2, seed=2)
    for n_groups in (25, 1000):
        groups = average_linkage_of_groups(x, 6, np.random.default_rng(0), n_groups=n_groups)
        assert torch.equal(groups, average_linkage(x, 6))


def test_duplicates_and_constant_features_cluster() -> None:
    x = features(5, 2, seed=3).repeat(3, 1)
    assert average_linkage(x, 5).tolist() == [0, 1, 2, 3, 4] * 3
    assert len(set(average_linkage(torch.ones(7, 2), 3).tolist())) == 3
    assert average_linkage(torch.ones(1, 2), 1).tolist() == [0]
    grouped = average_linkage_of_groups(x, 4, np.random.default_rng(0), n_groups=10)
    assert len(set(grouped.tolist())) <= 4
    assert torch.equal(grouped[:5], grouped[5:10])


def test_what_cannot_be_clustered_is_refused() -> None:
    x = features(10, 2, seed=4)
    with pytest.raises(ValueError, match="n_clusters must be between 1 and 10"):
        average_linkage(x, 11)
    with pytest.raises(ValueError, match=r"needs 800 bytes.*allows 799.*average_linkage_of_groups"):
        average_linkage(x, 2, memory_limit=799)
    assert average_linkage(x, 2, memory_limit=800).shape == (10,)
    with pytest.raises(ValueError, match="n_groups"):
        average_linkage_of_groups(x, 2, np.random.default_rng(0), n_groups=0)
    with pytest.raises(ValueError, match="cannot make 4 clusters of 3 groups"):
        average_linkage_of_groups(x, 4, np.random.default_rng(0), n_groups=3)
    with pytest.raises(ValueError, match="finite"):
        average_linkage(torch.full((3, 2), math.nan), 1)


def slow_cluster_margin(
    margins: list[float], clusters: list[int], n: int, shortlist: int, rng: np.random.Generator
) -> list[int]:
    rows = sorted(range(len(margins)), key=lambda row: (margins[row], row))[:shortlist]
    rows = [rows[i] for i in rng.permutation(shortlist)]
    members: dict[int, list[int]] = {}
    for row in rows:
        members.setdefault(clusters[row], []).append(row)
    in_turn = sorted(members, key=lambda cluster: (len(members[cluster]), cluster))
    picks: list[int] = []
    while len(picks) < n:
        for cluster in in_turn:
            if members[cluster] and len(picks) < n:
                picks.append(members[cluster].pop(0))
    return picks


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 30), st.integers(1, 5), st.data())
def test_the_batch_is_that_of_the_loop(rows: int, clusters: int, data: st.DataObject) -> None:
    margins = data.draw(st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.5]), min_size=rows, max_size=rows))
    member_of = data.draw(st.lists(st.integers(-1, clusters), min_size=rows, max_size=rows))
    n = data.draw(st.integers(0, rows))
    shortlist = data.draw(st.integers(n, rows))
    picks = cluster_margin(
        torch.tensor(margins, dtype=torch.float32),
        torch.tensor(member_of, dtype=torch.long),
        n,
        np.random.default_rng(7),
        shortlist=shortlist,
    )
    assert picks.tolist() == slow_cluster_margin(margins, member_of, n, shortlist, np.random.default_rng(7))


def test_members_of_a_cluster_are_drawn_uniformly_from_the_shortlist() -> None:
    margins, clusters = torch.arange(10.0), torch.tensor([0, 0, 0, 0, 1, 1, 0, 0, 1, 1])
    batches = [cluster_margin(margins, clusters, 2, np.random.default_rng(s), shortlist=6) for s in range(1200)]
    assert {tuple(clusters[batch].tolist()) for batch in batches} == {(1, 0)}  # 1 has two rows in it, 0 four
    counts = Counter(int(row) for batch in batches for row in batch)
    assert stats.chisquare([counts[row] for row in (0, 1, 2, 3)]).pvalue > 1e-3
    assert stats.chisquare([counts[row] for row in (4, 5)]).pvalue > 1e-3
    assert set(counts) == {0, 1, 2, 3, 4, 5}


def test_the_default_shortlist_is_ten_batches() -> None:
    margins, clusters = torch.arange(100.0), torch.zeros(100, dtype=torch.long)
    seen = {int(row) for s in range(200) for row in cluster_margin(margins, clusters, 2, np.random.default_rng(s))}
    assert seen == set(range(20))
    everything = cluster_margin(margins, clusters, 100, np.random.default_rng(0))
    assert sorted(everything.tolist()) == list(range(100))


def test_what_does_not_fit_is_refused() -> None:
    margins, clusters, rng = torch.zeros(4), torch.zeros(4, dtype=torch.long), np.random.default_rng(0)
    with pytest.raises(ValueError, match="cannot pick 5 of 4"):
        cluster_margin(margins, clusters, 5, rng)
    with pytest.raises(ValueError, match="shortlist must be between n = 3 and 4"):
        cluster_margin(margins, clusters, 3, rng, shortlist=2)
    with pytest.raises(ValueError, match="one per margin"):
        cluster_margin(margins, clusters[:3], 1, rng)
    with pytest.raises(ValueError, match="finite"):
        cluster_margin(torch.full((4,), math.nan), clusters, 1, rng)


def test_memory_is_that_of_the_distances(peak_bytes: Callable[[str, str], int]) -> None:
    setup = """
from labelbench_plus.algorithms.cluster_margin import average_linkage
x = torch.randn(1500, 8, generator=torch.Generator().manual_seed(0))
average_linkage(x[:20], 2)
"""
    assert peak_bytes(setup, "average_linkage(x, 10)") < 8 * 1500**2 + 48 * 2**20
