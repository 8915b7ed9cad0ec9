"""BAIT against full Fisher matrices, inverted anew for every row that might be added or removed."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from labelbench_plus.algorithms import bait as module
from labelbench_plus.algorithms.bait import bait, bait_binary, bait_top_classes
from labelbench_plus.algorithms.bait_regression import bait_regression
from labelbench_plus.algorithms.design.greedy_design import v_optimal
from labelbench_plus.algorithms.design.information_design import InformationDesign
from tests.algorithms.known_regression import FREE, KNOWN, LABELLED, WITH_CONSTANT


def pool(n: int, k: int, d: int, seed: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    p = (torch.randn(n, k, generator=generator, dtype=torch.float64) * 2).softmax(1)
    return p.to(dtype), torch.randn(n, d, generator=generator, dtype=torch.float64).to(dtype)


def full_fisher(p: Tensor, h: Tensor) -> Tensor:
    return torch.kron(torch.diag(p) - torch.outer(p, p), torch.outer(h, h))


def top_fisher(p: Tensor, h: Tensor, classes: int) -> Tensor:
    inner = torch.zeros(p.shape[0], p.shape[0], dtype=torch.float64)
    for k in sorted(range(p.shape[0]), key=lambda k: (-float(p[k]), k))[:classes]:
        error = -p.clone()
        error[k] += 1
        inner += p[k] * torch.outer(error, error)
    return torch.kron(inner, torch.outer(h, h))


def binary_fisher(p: Tensor, h: Tensor) -> Tensor:
    return p.max() * (1 - p.max()) * torch.outer(h, h)


def slow_bait(
    fishers: list[Tensor], labelled: list[Tensor], n: int, ridge: float, extra: int | None = None
) -> list[int]:
    target = sum(fishers + labelled) / len(fishers + labelled)
    m = ridge * torch.eye(target.shape[0], dtype=torch.float64) + sum(labelled)

    def lowest(objective: dict[int, float]) -> int:
        best = min(objective.values())
        return min(row for row, value in objective.items() if value <= best + 1e-10 * abs(best))

    def trace(information: Tensor) -> float:
        return float(torch.linalg.solve(information, target).trace())

    picks: list[int] = []
    for _ in range(min(2 * n if extra is None else n + extra, len(fishers))):
        row = lowest({i: trace(m + fishers[i]) for i in range(len(fishers)) if i not in picks})
        picks.append(row)
        m = m + fishers[row]
    while len(picks) > n:
        row = lowest({i: trace(m - fishers[i]) for i in picks})
        picks.remove(row)
        m = m - fishers[row]
    return picks


VARIANTS: dict[str, tuple[Callable[..., Tensor], Callable[[Tensor, Tensor], Tensor]]] = {
    "exact": (bait, full_fisher),
    "top 2": (bait_top_classes, lambda p, h: top_fisher(p, h, 2)),
    "binary": (bait_binary, binary_fisher),
}


@pytest.mark.parametrize("variant", VARIANTS)
@settings(max_examples=12, deadline=None)
@given(
    st.integers(2, 4), st.integers(1, 4), st.integers(0, 4), st.integers(0, 5), st.sampled_from([1.0, 1e-2, 1e-5]),
    st.integers(0, 10**6),
)  # fmt: skip
def test_picks_are_those_of_inverting_every_matrix(
    variant: str, k: int, d: int, labelled: int, n: int, ridge: float, seed: int
) -> None:
    select, fisher = VARIANTS[variant]
    p, h = pool(12 + labelled, k, d, seed)
    fishers = [fisher(p[i], h[i]) for i in range(12 + labelled)]
    known = {"labelled_probabilities": p[12:], "labelled_embeddings": h[12:]} if labelled else {}
    picks = select(p[:12], h[:12], n, ridge=ridge, **known)
    assert picks.tolist() == slow_bait(fishers[:12], fishers[12:], n, ridge)


def test_projected_factors_are_the_fisher_information() -> None:
    p, _ = pool(20, 5, 1, seed=0)
    p = torch.cat([p, torch.eye(5, dtype=torch.float64), torch.full((1, 5), 0.2, dtype=torch.float64)])
    basis = module._contrasts(5, p)
    assert torch.allclose(basis.T @ basis, torch.eye(4, dtype=torch.float64), atol=1e-14)
    expected = basis.T @ (torch.diag_embed(p) - p[:, :, None] * p[:, None, :]) @ basis
    for factors in (module._exact_factors(p), module._top_factors(p, 5)):
        assert torch.allclose(factors.transpose(1, 2) @ factors, expected, atol=1e-14)


def test_all_classes_at_the_top_is_exact() -> None:
    p, h = pool(60, 4, 3, seed=1, dtype=torch.float32)
    assert torch.equal(bait_top_classes(p, h, 10, classes=4), bait(p, h, 10))


@pytest.mark.parametrize("variant", VARIANTS)
def test_duplicates_certain_rows_and_constant_features(variant: str) -> None:
    select, fisher = VARIANTS[variant]
    p, h = pool(6, 3, 2, seed=2)
    p, h = torch.cat([p, p]), torch.cat([h, h])  # every row twice: the lower one goes first
    assert select(p, h, 4).tolist() == slow_bait([fisher(p[i], h[i]) for i in range(12)], [], 4, 1.0)
    one_hot = torch.eye(3, dtype=torch.float64)[[0, 1, 2, 0, 1]]
    # No information anywhere: all gains and losses are zero, the lowest rows are picked and the lowest given back.
    assert select(one_hot, h[:5], 2).tolist() == [2, 3]
    constant = torch.full((8, 3), 1 / 3)
    assert select(constant, torch.ones(8, 2), 3).tolist() == [3, 4, 5]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_batches_are_exact_distinct_and_leave_the_input_alone(variant: str, dtype: torch.dtype) -> None:
    p, h = pool(15, 3, 2, seed=3, dtype=dtype)
    before = p.clone(), h.clone()
    for n in (0, 1, 8, 15):
        picks = VARIANTS[variant][0](p, h, n)
        assert picks.dtype == torch.long
        assert len(set(picks.tolist())) == n
    assert torch.equal(p, before[0]) and torch.equal(h, before[1])
    assert VARIANTS[variant][0](p[:1], h[:1], 1).tolist() == [0]


@pytest.mark.parametrize("variant", VARIANTS)
def test_chunks_and_threads_do_not_change_the_picks(variant: str) -> None:
    p, h = pool(40, 4, 5, seed=4, dtype=torch.float32)
    p, h = torch.cat([p, p]), torch.cat([h, h])
    select = VARIANTS[variant][0]
    whole = select(p, h, 12)
    for chunk_bytes in (1, 20_000):
        assert torch.equal(select(p, h, 12, chunk_bytes=chunk_bytes), whole)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        assert torch.equal(select(p, h, 12), whole)
    finally:
        torch.set_num_threads(threads)


def test_drift_is_noticed_and_repaired(monkeypatch: pytest.MonkeyPatch) -> None:
    p, h = pool(40, 3, 4, seed=5)
    expected = bait(p, h, 8)
    update = InformationDesign._update
    refreshed = []
    refresh = InformationDesign.refresh

    def sloppy(self: InformationDesign, u: Tensor, r: Tensor, sign: int) -> None:
        update(self, u * (1 + 1e-5), r * (1 + 1e-5), sign)

    def counted(self: InformationDesign) -> None:
        refreshed.append(1)
        refresh(self)

    monkeypatch.setattr(InformationDesign, "_update", sloppy)
    monkeypatch.setattr(InformationDesign, "refresh", counted)
    assert torch.equal(bait(p, h, 8), expected)
    assert len(refreshed) > 10
    # Without the repair the same error changes the picks it is meant to protect.
    monkeypatch.setattr(InformationDesign, "_drifted", lambda *_: False)
    monkeypatch.setattr(InformationDesign, "_update", lambda self, u, r, sign: update(self, u * 0.5, r * 0.5, sign))
    assert not torch.equal(bait(p, h, 8), expected)


def test_too_much_memory_is_refused_with_its_price_and_the_way_out() -> None:
    p, h = pool(10, 101, 200, seed=6, dtype=torch.float32)
    with pytest.raises(ValueError, match=r"needs about 16,002,400,000 bytes.*20000 x 20000.*PCA.*bait_binary"):
        bait(p, h, 2)
    assert bait_binary(p, h, 2).shape == (2,)
    needed = 8 * (5 * 2**2 + 3 * 10)
    p, h = pool(10, 2, 2, seed=7)
    assert bait(p, h, 2, memory_limit=needed).shape == (2,)
    with pytest.raises(ValueError, match=f"needs about {needed} bytes"):
        bait(p, h, 2, memory_limit=needed - 1)


def test_what_does_not_fit_is_refused() -> None:
    p, h = pool(5, 3, 2, seed=8)
    with pytest.raises(ValueError, match="cannot pick 6 of 5"):
        bait(p, h, 6)
    with pytest.raises(ValueError, match="ridge must be positive"):
        bait(p, h, 1, ridge=0.0)
    with pytest.raises(ValueError, match="together or not at all"):
        bait(p, h, 1, labelled_embeddings=h)
    with pytest.raises(ValueError, match="as many rows as each other"):
        bait(p, h[:4], 1)
    with pytest.raises(ValueError, match="labelled_probabilities"):
        bait(p, h, 1, labelled_probabilities=p[:, :2] / p[:, :2].sum(1, keepdim=True), labelled_embeddings=h)
    with pytest.raises(ValueError, match="embeddings must be finite"):
        bait(p, torch.full_like(h, math.nan), 1)
    with pytest.raises(ValueError, match="classes must be between 1 and 3"):
        bait_top_classes(p, h, 1, classes=4)
    with pytest.raises(ValueError, match="ridge=1e-300 is lost in rounding"):
        bait(p, h, 1, ridge=1e-300)


def test_memory_is_what_the_docstring_says(peak_bytes: Callable[[str, str], int]) -> None:
    setup = """
from labelbench_plus.algorithms.bait import bait
g = torch.Generator().manual_seed(0)
p = torch.randn(8000, 5, generator=g).softmax(1)
h = torch.randn(8000, 16, generator=g)
bait(p[:50], h[:50], 2)
"""
    stated = 8 * (5 * 64**2 + 3 * 8000 * 16)
    # Beside it there are float64 copies of the input (4 MiB) and chunks; all gains at once would take 16 MiB.
    assert peak_bytes(setup, "bait(p, h, 4, chunk_bytes=2**20)") < stated + 14 * 2**20


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 4), st.integers(0, 4), st.integers(0, 5), st.sampled_from([None, 0, 3, 100]),
    st.sampled_from([1.0, 1e-2, 1e-5]), st.sampled_from([torch.float16, torch.float32, torch.float64]),
    st.integers(0, 10**6),
)  # fmt: skip
def test_regression_is_that_of_inverting_every_matrix(
    d: int, labelled: int, n: int, extra: int | None, ridge: float, dtype: torch.dtype, seed: int
) -> None:
    h = pool(14 + labelled, 2, d, seed, dtype)[1]
    h[7:10] = h[:3]  # duplicates
    fishers = [torch.outer(row, row) for row in h.double()]
    picks = bait_regression(h[:14], n, labelled_embeddings=h[14:], ridge=ridge, extra=extra)
    assert picks.dtype == torch.int64
    assert picks.tolist() == slow_bait(fishers[:14], fishers[14:], n, ridge, 0 if n == 0 else extra)


def test_regression_gives_the_known_answer() -> None:
    z = WITH_CONSTANT
    picks = bait_regression(z[FREE], 5, labelled_embeddings=z[LABELLED], ridge=0.01, extra=0)
    assert FREE[picks].tolist() == KNOWN["bait_forward"]


def test_regression_forward_is_the_v_optimal_design_of_all_rows() -> None:
    h = pool(300, 2, 5, 4, torch.float32)[1]
    expected = v_optimal(h[:250], 30, ridge=0.1, labelled=h[250:], targets=h)
    assert torch.equal(bait_regression(h[:250], 30, labelled_embeddings=h[250:], ridge=0.1, extra=0), expected)
    assert bait_regression(h[:9], 9, ridge=0.1).tolist() == v_optimal(h[:9], 9, ridge=0.1).tolist()


def test_regression_refusals() -> None:
    h = pool(5, 2, 3, 5)[1]
    for arguments, message in (
        ({"n": 6}, "cannot pick 6 of 5"),
        ({"n": 1, "ridge": 0.0}, "ridge must be positive and finite, got 0"),
        ({"n": 1, "extra": -1}, "extra must not be negative, got -1"),
        ({"n": 1, "labelled_embeddings": h[:, :2]}, "labelled_embeddings must have the 3 columns of features, got 2"),
    ):
        with pytest.raises(ValueError, match=message):
            bait_regression(h, **arguments)
