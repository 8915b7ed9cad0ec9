"""Facility location: the picks of plain greedy on the full similarity matrix."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from labelbench_plus.algorithms.blocks.lazy_greedy import lazy_greedy
from labelbench_plus.algorithms.blocks.similarity import Cosine, Rbf, Similarity
from labelbench_plus.algorithms.facility_location import (
    FacilityLocation,
    SparseFacilityLocation,
    facility_location,
    sparse_facility_location,
)


def similarities(a: Tensor, b: Tensor, similarity: Similarity, everyone: Tensor) -> Tensor:
    a, b, everyone = a.double(), b.double(), everyone.double()
    if isinstance(similarity, Cosine):
        return (torch.nn.functional.normalize(a) @ torch.nn.functional.normalize(b).T).clamp(min=0)
    assert isinstance(similarity, Rbf)
    gamma = similarity.gamma
    if gamma is None:
        spread = (everyone[:, None] - everyone[None]).square().sum(dim=2).mean()
        gamma = similarity.scale * float(spread) or 1.0
    return torch.exp(-(a[:, None] - b[None]).square().sum(dim=2) / gamma)


def textbook(
    features: Tensor,
    n: int,
    similarity: Similarity,
    centers: Tensor | None = None,
    weights: Tensor | None = None,
    graph: Tensor | None = None,
) -> list[int]:
    """Greedy on the whole matrix; gains within 1e-12 of the total weight are ties."""
    everyone = features if centers is None else torch.cat([features, centers])
    w = similarities(features, features, similarity, everyone)
    if graph is not None:
        w = w * graph
    covered = torch.zeros(len(features)).double()
    if centers is not None and len(centers):
        covered = similarities(features, centers, similarity, everyone).amax(dim=1)
    a = torch.ones(len(features)).double() if weights is None else weights.double()
    picks: list[int] = []
    for _ in range(n):
        gains = ((w - covered[:, None]).clamp(min=0) * a[:, None]).sum(dim=0)
        gains[picks] = -1.0
        picks.append(int((gains >= gains.max() - 1e-12 * a.sum()).nonzero()[0]))
        covered = torch.maximum(covered, w[:, picks[-1]])
    return picks


def clustered(n: int, d: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    means = torch.randn(max(2, n // 20), 4, generator=generator)
    z = means[torch.randint(len(means), (n,), generator=generator)] + 0.3 * torch.randn(n, 4, generator=generator)
    return z @ torch.randn(4, d, generator=generator) + 0.05 * torch.randn(n, d, generator=generator)


@settings(max_examples=50, deadline=None)
@given(
    st.integers(1, 50),
    st.integers(1, 4),
    st.integers(0, 6),
    st.sampled_from([Rbf(), Rbf(gamma=0.3), Rbf(scale=5.0), Cosine()]),
    st.booleans(),
    st.sampled_from([0, 3000, 2**28]),
    st.sampled_from([torch.float16, torch.float32, torch.float64]),
    st.integers(0, 10**6),
)
def test_small_integers_full_of_ties_and_duplicates(
    rows: int,
    d: int,
    labelled: int,
    similarity: Similarity,
    weighted: bool,
    graph_bytes: int,
    dtype: torch.dtype,
    seed: int,
) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(1, 4, (rows, d), generator=generator).to(dtype)
    centers = torch.randint(1, 4, (labelled, d), generator=generator).to(dtype) if labelled else None
    weights = torch.randint(0, 3, (rows,), generator=generator).float() if weighted else None
    n = int(torch.randint(rows + 1, (1,), generator=generator))
    got = facility_location(
        x, n, centers=centers, weights=weights, similarity=similarity, graph_bytes=graph_bytes, chunk_bytes=2000
    )
    assert got.tolist() == textbook(x, n, similarity, centers, weights)


@pytest.mark.parametrize("graph_bytes", [0, 10**6, 2**28], ids=["never a graph", "a graph later", "a graph at once"])
@pytest.mark.parametrize("labelled", [0, 15])
@pytest.mark.parametrize("similarity", [Rbf(), Rbf(scale=0.1), Cosine()])
def test_the_picks_are_those_of_the_textbook(graph_bytes: int, labelled: int, similarity: Similarity) -> None:
    x = clustered(400, 60, seed=labelled)
    centers = x[:labelled] + 0.1 if labelled else None
    weights = torch.rand(400, generator=torch.Generator().manual_seed(0)) if labelled else None
    expected = textbook(x, 80, similarity, centers, weights)
    for chunk_bytes in (20_000, 2**24):
        got = facility_location(
            x,
            80,
            centers=centers,
            weights=weights,
            similarity=similarity,
            graph_bytes=graph_bytes,
            chunk_bytes=chunk_bytes,
        )
        assert got.dtype == torch.int64
        assert got.tolist() == expected


def test_more_rows_than_a_tile_and_all_picked_at_last() -> None:
    x = clustered(1300, 5, seed=3)
    got = facility_location(x, 1300)
    assert got[:60].tolist() == textbook(x, 60, Rbf())
    assert got.sort().values.tolist() == list(range(1300))


def test_threads_do_not_change_the_picks() -> None:
    x = clustered(1500, 40, seed=5).repeat(2, 1)  # every gain twice
    before = torch.get_num_threads()
    try:
        picks = []
        for threads in (1, 3):
            torch.set_num_threads(threads)
            picks.append(facility_location(x, 150, centers=x[:5] + 0.2).tolist())
    finally:
        torch.set_num_threads(before)
    assert picks[0] == picks[1]
    assert max(picks[0]) < 1500  # of duplicates, the first


@pytest.mark.parametrize("pick", [facility_location, sparse_facility_location])
def test_edges(pick: Callable[..., Tensor]) -> None:
    x = clustered(20, 3, seed=0)
    assert pick(x, 0).tolist() == []
    assert pick(x[:0], 0).tolist() == []
    assert pick(x[:1], 1).tolist() == [0]
    assert pick(torch.ones(5, 3), 5).tolist() == [0, 1, 2, 3, 4]
    assert pick(x, 20).sort().values.tolist() == list(range(20))
    assert pick(x, 3, centers=x[:0]).tolist() == pick(x, 3).tolist()
    assert pick(x, 3, weights=torch.zeros(20)).tolist() == [0, 1, 2]
    bad = x.clone()
    bad[4, 1] = torch.nan
    for arguments, message in (
        ((bad, 2), "row 4"),
        ((x, 21), "21 of 20"),
        ((x[0], 1), "matrix"),
    ):
        with pytest.raises(ValueError, match=message):
            pick(*arguments)
    for keywords, message in (
        ({"weights": torch.ones(19)}, "weights must be one per row"),
        ({"weights": -torch.ones(20)}, "row 0 is"),
        ({"weights": torch.full((20,), torch.inf)}, "weights must be finite"),
        ({"centers": x[:, :2]}, "columns"),
    ):
        with pytest.raises(ValueError, match=message):
            pick(x, 2, **keywords)
    with pytest.raises(ValueError, match="non-zero"):
        pick(torch.zeros(3, 2), 1, similarity=Cosine())


def test_weights_of_any_magnitude_scale_out() -> None:
    x = clustered(100, 6, seed=1)
    weights = torch.rand(100, generator=torch.Generator().manual_seed(0)).double()
    expected = facility_location(x, 30, weights=weights, graph_bytes=0).tolist()
    for factor in (1e-60, 1e60):
        for graph_bytes in (0, 2**28):
            assert facility_location(x, 30, weights=weights * factor, graph_bytes=graph_bytes).tolist() == expected


@pytest.mark.parametrize("graph_bytes", [0, 400_000, 2**28])
def test_a_reset_objective_starts_anew(graph_bytes: int) -> None:
    x = clustered(300, 6, seed=2)
    objective = FacilityLocation(x, graph_bytes=graph_bytes)
    first = lazy_greedy(objective, 150)
    assert lazy_greedy(objective, 150).tolist() == first.tolist()


@pytest.mark.parametrize("labelled", [0, 10])
@pytest.mark.parametrize("weighted", [False, True])
def test_sparse_is_greedy_on_the_neighbour_graph(labelled: int, weighted: bool) -> None:
    x = clustered(200, 6, seed=7)
    centers = x[:labelled] + 0.05 if labelled else None
    weights = torch.rand(200, generator=torch.Generator().manual_seed(0)) if weighted else None
    squared = (x.double()[:, None] - x.double()[None]).square().sum(dim=2)
    graph = torch.zeros(200, 200).scatter(1, squared.argsort(dim=1)[:, :9], 1.0)
    got = sparse_facility_location(x, 60, neighbours=8, centers=centers, weights=weights)
    assert got.tolist() == textbook(x, 60, Rbf(), centers, weights, graph)


def test_sparse_with_all_neighbours_is_dense() -> None:
    x = clustered(120, 6, seed=8)
    for similarity in (Rbf(), Cosine()):
        got = sparse_facility_location(x, 120, neighbours=500, similarity=similarity).tolist()
        assert got == facility_location(x, 120, similarity=similarity).tolist()
    objective = SparseFacilityLocation(x, neighbours=5)
    assert lazy_greedy(objective, 50).tolist() == lazy_greedy(objective, 50).tolist()
    with pytest.raises(ValueError, match="neighbours"):
        sparse_facility_location(x, 1, neighbours=0)


@pytest.mark.parametrize("keywords", ["", ", centers=x[:200] + 0.01"])
def test_memory_stays_far_below_all_pairs(peak_bytes: Callable[[str, str], int], keywords: str) -> None:
    setup = """
from labelbench_plus.algorithms.facility_location import facility_location
x = torch.randn(8000, 8, generator=torch.Generator().manual_seed(0))
facility_location(x[:2000], 5)
"""
    code = f"facility_location(x, 5{keywords}, graph_bytes=2**25, chunk_bytes=2**22)"
    assert peak_bytes(setup, code) < 120e6  # all pairs: 256 MB
