"""TypiClust: clusters without labels first, the largest of them, and the most typical row of each."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from labelbench_plus.algorithms.k_means import k_means
from labelbench_plus.algorithms.typiclust import typiclust


def textbook(
    features: Tensor, n: int, seed: int, centers: Tensor | None, neighbours: int, max_clusters: int, smallest: int
) -> list[int]:
    """The rule written out, with clusters from the same k-means."""
    total = len(features)
    everyone = features if centers is None else torch.cat([features, centers])
    clusters = min(len(everyone) - total + n, max_clusters)
    labels = k_means(everyone, clusters, np.random.default_rng(seed)).labels
    labelled = torch.zeros(len(everyone), dtype=torch.bool)
    labelled[total:] = True
    picks: list[int] = []
    for _ in range(n):
        best, best_key = -1, None
        for cluster in range(clusters):
            members = labels == cluster
            if not bool((members & ~labelled).any()):
                continue
            key = (int(members.sum()) < smallest, int((members & labelled).sum()), -int(members.sum()))
            if best_key is None or key < best_key:
                best, best_key = cluster, key
        rows = (labels == best).nonzero()[:, 0]
        x = everyone[rows].double()
        distance = (x[:, None] - x[None]).square().sum(dim=2).sqrt().fill_diagonal_(torch.inf)
        mean = distance.sort(dim=1).values[:, : min(neighbours, len(rows) - 1)].sum(dim=1)
        mean[labelled[rows]] = torch.inf
        picks.append(int(rows[(mean <= mean.min() * (1 + 1e-12)).nonzero()[0]]))
        labelled[picks[-1]] = True
    return picks


def blobs(n: int, d: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    means = 3 * torch.randn(12, d, generator=generator)
    return means[torch.randint(12, (n,), generator=generator)] + torch.randn(n, d, generator=generator)


@pytest.mark.parametrize("labelled", [0, 3, 25])
@pytest.mark.parametrize(("n", "max_clusters"), [(10, 500), (40, 500), (60, 15), (5, 1)])
def test_the_picks_follow_the_rule(labelled: int, n: int, max_clusters: int) -> None:
    x = blobs(300, 5, seed=labelled)
    centers = x[:labelled] + 0.01 if labelled else None
    for seed, neighbours in ((0, 20), (1, 3)):
        got = typiclust(
            x, n, np.random.default_rng(seed), centers=centers, neighbours=neighbours, max_clusters=max_clusters
        )
        assert got.dtype == torch.int64
        assert got.tolist() == textbook(x, n, seed, centers, neighbours, max_clusters, 5)


def test_the_centre_of_each_blob_is_picked_and_labelled_blobs_wait() -> None:
    generator = torch.Generator().manual_seed(0)
    # A dense middle in every blob, blobs of falling size.
    parts = []
    for blob, size in enumerate((60, 50, 40, 30)):
        spread = torch.randn(size, 2, generator=generator)
        spread[: size // 3] *= 0.01
        parts.append(spread + 100.0 * torch.tensor([blob, 0.0]))
    x = torch.cat(parts)
    blob_of = (x[:, 0] / 100).round().long()
    got = typiclust(x, 3, np.random.default_rng(0), centers=torch.tensor([[100.0, 0.0]]), max_clusters=4)
    assert blob_of[got].tolist() == [0, 2, 3]
    middle = (x[got] - torch.stack([100.0 * blob_of[got], torch.zeros(3)], dim=1)).norm(dim=1)
    assert (middle < 0.1).all()


def test_outliers_wait_until_nothing_else_is_left() -> None:
    x = torch.cat([torch.randn(20, 2, generator=torch.Generator().manual_seed(0)) * 0.1, torch.tensor([[99.0, 0.0]])])
    got = typiclust(x, 21, np.random.default_rng(0), max_clusters=2).tolist()
    assert got[-1] == 20
    assert typiclust(x, 2, np.random.default_rng(0), max_clusters=2, min_cluster_size=1).tolist()[1] == 20


def test_edges() -> None:
    x = blobs(12, 3, seed=0)
    rng = np.random.default_rng(0)
    assert typiclust(x, 0, rng).tolist() == []
    assert typiclust(x[:0], 0, rng).tolist() == []
    assert typiclust(x[:1], 1, rng).tolist() == [0]
    assert typiclust(x, 12, rng).sort().values.tolist() == list(range(12))
    assert typiclust(torch.ones(6, 2), 6, rng, max_clusters=1).tolist() == [0, 1, 2, 3, 4, 5]
    assert typiclust(torch.ones(6, 2), 6, rng).sort().values.tolist() == [0, 1, 2, 3, 4, 5]
    assert typiclust(x.half(), 5, np.random.default_rng(1)).shape == (5,)
    with pytest.raises(ValueError, match="13 of 12"):
        typiclust(x, 13, rng)
    with pytest.raises(ValueError, match="neighbours"):
        typiclust(x, 1, rng, neighbours=0)
    with pytest.raises(ValueError, match="columns"):
        typiclust(x, 1, rng, centers=x[:, :2])
    with pytest.raises(ValueError, match="row 0"):
        typiclust(torch.full((2, 2), torch.nan), 1, rng)
