"""Graph cut: the picks of plain greedy on the full similarity matrix."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from labelbench_plus.algorithms.blocks.lazy_greedy import lazy_greedy
from labelbench_plus.algorithms.blocks.similarity import Cosine, Rbf
from labelbench_plus.algorithms.graph_cut import GraphCut, graph_cut


def value(w: Tensor, chosen: list[int], trade_off: float) -> float:
    return float(trade_off * w[:, chosen].sum() - w[chosen][:, chosen].sum())


def textbook(features: Tensor, n: int, gamma: float, trade_off: float, centers: Tensor | None) -> list[int]:
    everyone = (features if centers is None else torch.cat([features, centers])).double()
    w = torch.exp(-(everyone[:, None] - everyone[None]).square().sum(dim=2) / gamma)
    chosen = list(range(len(features), len(everyone)))
    picks: list[int] = []
    for _ in range(n):
        values = torch.full((len(features),), -torch.inf).double()
        for j in set(range(len(features))) - set(picks):
            values[j] = value(w, [*chosen, j], trade_off)
        picks.append(int((values >= values.max() - 1e-9).nonzero()[0]))
        chosen.append(picks[-1])
    return picks


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 20),
    st.integers(1, 3),
    st.integers(0, 4),
    st.sampled_from([0.0, 0.2, 1.0, 2.0]),
    st.sampled_from([torch.float16, torch.float32]),
    st.integers(0, 10**6),
)
def test_small_integers_full_of_ties(
    rows: int, d: int, labelled: int, trade_off: float, dtype: torch.dtype, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(0, 3, (rows, d), generator=generator).to(dtype)
    centers = torch.randint(0, 3, (labelled, d), generator=generator).to(dtype) if labelled else None
    n = int(torch.randint(rows + 1, (1,), generator=generator))
    got = graph_cut(x, n, trade_off=trade_off, centers=centers, similarity=Rbf(gamma=2.0), chunk_bytes=500)
    assert got.tolist() == textbook(x, n, 2.0, trade_off, centers)


@pytest.mark.parametrize("trade_off", [0.05, 2.0])
@pytest.mark.parametrize("labelled", [0, 12])
def test_the_picks_are_those_of_the_textbook(trade_off: float, labelled: int) -> None:
    x = torch.randn(1100, 40, generator=torch.Generator().manual_seed(0))[:, :7]
    x = torch.cat([x, 0.01 * x[:, :1].expand(-1, 30)], dim=1)
    w = torch.exp(-(x.double()[:, None] - x.double()[None]).square().sum(dim=2) / 9.0)
    centers, rows = (x[:labelled], x[labelled:]) if labelled else (None, x)
    got = graph_cut(rows, 90, trade_off=trade_off, centers=centers, similarity=Rbf(gamma=9.0)).tolist()
    chosen = list(range(labelled))
    for pick in got:
        gains = trade_off * w.sum(dim=0) - 2 * w[chosen].sum(dim=0) - 1
        gains[chosen] = -torch.inf
        assert pick + labelled == int(gains.argmax())
        chosen.append(pick + labelled)
    few = graph_cut(rows, 90, trade_off=trade_off, centers=centers, similarity=Rbf(gamma=9.0), chunk_bytes=10**4)
    assert few.tolist() == got


def test_gains_are_differences_of_the_objective_and_monotone_from_two_on() -> None:
    x = torch.randn(30, 4, generator=torch.Generator().manual_seed(0)).double()
    w = torch.exp(-(x[:, None] - x[None]).square().sum(dim=2) / 5.0)
    for trade_off in (0.3, 2.0):
        objective = GraphCut(x, trade_off=trade_off, similarity=Rbf(gamma=5.0))
        objective.reset()
        objective.sweep()
        chosen: list[int] = []
        for row in (3, 17, 4):
            gain = float(objective.gains(torch.tensor([row]))[0])
            expected = value(w, [*chosen, row], trade_off) - value(w, chosen, trade_off)
            assert gain == pytest.approx(expected)
            objective.add(row)
            chosen.append(row)
    everything = lazy_greedy(GraphCut(x, trade_off=2.0, similarity=Rbf(gamma=5.0)), 30).tolist()
    values = [value(w, everything[:k], 2.0) for k in range(31)]
    assert all(after >= before - 1e-9 for before, after in itertools.pairwise(values))


def test_edges() -> None:
    x = torch.randn(10, 3, generator=torch.Generator().manual_seed(0))
    assert graph_cut(x, 0).tolist() == []
    assert graph_cut(x[:0], 0).tolist() == []
    assert graph_cut(x[:1], 1).tolist() == [0]
    assert graph_cut(torch.ones(4, 2), 4).tolist() == [0, 1, 2, 3]
    assert graph_cut(x, 10, similarity=Cosine()).sort().values.tolist() == list(range(10))
    objective = GraphCut(x, trade_off=0.5)
    assert lazy_greedy(objective, 10).tolist() == lazy_greedy(objective, 10).tolist()
    for keywords, message in (({"trade_off": -1.0}, "trade_off"), ({"centers": x[:, :2]}, "columns")):
        with pytest.raises(ValueError, match=message):
            graph_cut(x, 1, **keywords)
    with pytest.raises(ValueError, match="row 0"):
        graph_cut(torch.full((2, 2), torch.nan), 1)
    with pytest.raises(ValueError, match="11 of 10"):
        graph_cut(x, 11)


def test_memory_stays_far_below_all_pairs(peak_bytes: Callable[[str, str], int]) -> None:
    setup = """
from labelbench_plus.algorithms.graph_cut import graph_cut
x = torch.randn(6000, 6, generator=torch.Generator().manual_seed(0))
graph_cut(x[:1500], 5)
"""
    assert peak_bytes(setup, "graph_cut(x, 20, chunk_bytes=2**22)") < 120e6  # all pairs: 288 MB
