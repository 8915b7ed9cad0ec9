"""Log-determinant: the picks of plain greedy on determinants."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from labelbench_plus.algorithms import log_det as module
from labelbench_plus.algorithms.blocks.lazy_greedy import lazy_greedy
from labelbench_plus.algorithms.blocks.similarity import Rbf
from labelbench_plus.algorithms.log_det import Linear, LogDet, log_det


def kernel_matrix(x: Tensor, kernel: Linear | Rbf) -> Tensor:
    x = x.double()
    if isinstance(kernel, Linear):
        return x @ x.T
    assert kernel.gamma is not None
    return torch.exp(-(x[:, None] - x[None]).square().sum(dim=2) / kernel.gamma)


def textbook(
    features: Tensor, n: int, kernel: Linear | Rbf, alpha: float, centers: Tensor | None, tie: float = 1e-9
) -> list[int]:
    k = kernel_matrix(features if centers is None else torch.cat([features, centers]), kernel)
    chosen = list(range(len(features), len(k)))
    picks: list[int] = []
    for _ in range(n):
        values = torch.full((len(features),), -torch.inf).double()
        for j in set(range(len(features))) - set(picks):
            s = [*chosen, j]
            values[j] = torch.linalg.slogdet(torch.eye(len(s)).double() + alpha * k[s][:, s])[1]
        picks.append(int((values >= values.max() - tie).nonzero()[0]))
        chosen.append(picks[-1])
    return picks


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 18),
    st.integers(1, 4),
    st.integers(0, 6),
    st.sampled_from([Linear(), Rbf(gamma=3.0)]),
    st.sampled_from([0.1, 20.0]),
    st.sampled_from([torch.float16, torch.float32]),
    st.integers(0, 10**6),
)
def test_small_integers_full_of_ties(
    rows: int, d: int, labelled: int, kernel: Linear | Rbf, alpha: float, dtype: torch.dtype, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(-1, 2, (rows, d), generator=generator).to(dtype)
    centers = torch.randint(-1, 2, (labelled, d), generator=generator).to(dtype) if labelled else None
    n = int(torch.randint(rows + 1, (1,), generator=generator))
    got = log_det(x, n, alpha=alpha, centers=centers, kernel=kernel, chunk_bytes=500)
    assert got.tolist() == textbook(x, n, kernel, alpha, centers)


@pytest.mark.parametrize("inverse", [True, False], ids=["d × d inverse", "Cholesky factor"])
@pytest.mark.parametrize("labelled", [0, 5, 30])
@pytest.mark.parametrize("kernel", [Linear(), Rbf(gamma=12.0)])
def test_the_gains_are_differences_of_log_determinants(
    inverse: bool, labelled: int, kernel: Linear | Rbf, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not inverse:
        monkeypatch.setattr(module, "_LARGEST_INVERSE", 0)
    x = torch.randn(230, 12, generator=torch.Generator().manual_seed(labelled))
    centers, rows = (x[:labelled], x[labelled:]) if labelled else (None, x)
    got = log_det(rows, 80, alpha=3.0, centers=centers, kernel=kernel).tolist()
    k = 3.0 * kernel_matrix(x, kernel)
    chosen = list(range(labelled))
    for pick in got:
        # The Schur complement of each candidate in I + αK, by a solve from scratch.
        block = torch.eye(len(chosen)).double() + k[chosen][:, chosen]
        own = 1.0 + k.diagonal() - (k[:, chosen] * torch.linalg.solve(block, k[chosen]).T).sum(dim=1)
        own[chosen] = -torch.inf
        assert float(own[pick + labelled]) == pytest.approx(float(own.max()), rel=1e-9)
        chosen.append(pick + labelled)
    few = log_det(rows, 80, alpha=3.0, centers=centers, kernel=kernel, chunk_bytes=10**4)
    assert few.tolist() == got


def test_rank_is_exhausted_and_duplicates_are_left() -> None:
    x = torch.eye(3).repeat(3, 1)
    assert log_det(x, 9).tolist() == list(range(9))
    assert log_det(x, 9, kernel=Rbf(gamma=1.0)).tolist() == list(range(9))
    assert log_det(torch.zeros(4, 2), 4).tolist() == [0, 1, 2, 3]


def test_edges() -> None:
    x = torch.randn(10, 3, generator=torch.Generator().manual_seed(0))
    for kernel in (Linear(), Rbf()):
        assert log_det(x, 0, kernel=kernel).tolist() == []
        assert log_det(x[:0], 0, kernel=kernel).tolist() == []
        assert log_det(x[:1], 1, kernel=kernel).tolist() == [0]
        assert log_det(x, 10, kernel=kernel).sort().values.tolist() == list(range(10))
        objective = LogDet(x, kernel=kernel)
        assert lazy_greedy(objective, 10).tolist() == lazy_greedy(objective, 10).tolist()
    for keywords, message in (
        ({"alpha": 0.0}, "alpha"),
        ({"alpha": float("inf")}, "alpha"),
        ({"centers": x[:, :2]}, "columns"),
    ):
        with pytest.raises(ValueError, match=message):
            log_det(x, 1, **keywords)
    with pytest.raises(ValueError, match="row 0"):
        log_det(torch.full((2, 2), torch.nan), 1)
    with pytest.raises(ValueError, match="11 of 10"):
        log_det(x, 11)


@pytest.mark.parametrize("kernel", ["Linear()", "Rbf()"])
def test_memory_stays_far_below_rows_times_chosen(peak_bytes: Callable[[str, str], int], kernel: str) -> None:
    setup = """
from labelbench_plus.algorithms.log_det import Linear, log_det
from labelbench_plus.algorithms.blocks.similarity import Rbf
x = torch.randn(50000, 8, generator=torch.Generator().manual_seed(0))
log_det(x[:500], 5); log_det(x[:500], 5, kernel=Rbf())
"""
    code = f"log_det(x, 3, centers=x[:300], kernel={kernel}, chunk_bytes=2**22)"
    assert peak_bytes(setup, code) < 60e6  # N × L: 120 MB
