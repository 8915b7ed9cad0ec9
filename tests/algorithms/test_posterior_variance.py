"""Posterior variances and the batches that shrink them, beside whole covariance matrices."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from labelbench_plus.algorithms import posterior_variance as module
from labelbench_plus.algorithms.blocks.similarity import Rbf
from labelbench_plus.algorithms.design.greedy_design import d_optimal, v_optimal
from labelbench_plus.algorithms.log_det import Linear
from labelbench_plus.algorithms.posterior_variance import alc, max_variance, posterior_variance
from tests.algorithms.known_regression import FREE, KNOWN, LABELLED, X

DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
KERNELS = {"linear": Linear(), "rbf": Rbf(3.0)}


def prior(kernel: Linear | Rbf, a: Tensor, b: Tensor, variance: float) -> Tensor:
    if isinstance(kernel, Linear):
        return variance * a @ b.T
    return variance * (-(a[:, None] - b).square().sum(dim=2) / kernel.gamma).exp()


def covariance(kernel: Linear | Rbf, rows: Tensor, chosen: Tensor, noise: float, variance: float) -> Tensor:
    gram = prior(kernel, chosen, chosen, variance) + noise * torch.eye(len(chosen), dtype=torch.float64)
    cross = prior(kernel, rows, chosen, variance)
    return prior(kernel, rows, rows, variance) - cross @ torch.linalg.solve(gram, cross.T)


def slow(
    rule: str, kernel: Linear | Rbf, x: Tensor, n: int, labelled: Tensor, targets: Tensor, noise: float, variance: float
) -> list[int]:
    x, chosen, targets = x.double(), labelled.double(), targets.double()
    picks: list[int] = []
    for _ in range(n):
        whole = covariance(kernel, torch.cat([x, targets]), chosen, noise, variance)
        own = whole.diagonal()[: len(x)]
        score = own.clone() if rule == "alm" else whole[: len(x), len(x) :].square().mean(dim=1) / (own + noise)
        score[picks] = -torch.inf
        picks.append(int((score >= score.max() * (1 - 1e-9)).nonzero()[0]))
        chosen = torch.cat([chosen, x[picks[-1:]]])
    return picks


def cloud(rows: int, d: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    x = torch.randn(rows, d, generator=torch.Generator().manual_seed(seed))
    x[rows // 2 : rows // 2 + 3] = x[:3].clone()  # duplicates
    return x.to(dtype)


def test_known_answers() -> None:
    gp = KNOWN["gp"]
    model = {"noise": gp["noise"], "variance": gp["variance"], "kernel": Rbf(2 * gp["length"] ** 2)}
    got = posterior_variance(X, X[LABELLED], **model)
    torch.testing.assert_close(got, torch.tensor(gp["posterior_variance"], dtype=torch.float64), rtol=1e-10, atol=0)
    assert FREE[max_variance(X[FREE], 1, labelled=X[LABELLED], **model)].tolist() == [KNOWN["alm"]]
    assert FREE[alc(X[FREE], 1, labelled=X[LABELLED], **model)].tolist() == [KNOWN["alc"]]
    order = sorted(KNOWN["alc_scores"], key=lambda row: -KNOWN["alc_scores"][row])
    process = module._Process(X[FREE], X[FREE], X[LABELLED], gp["noise"], model["kernel"], gp["variance"], 2**20)
    process.start()
    scores = process.total / len(FREE) / (process.variance + gp["noise"])
    expected = torch.tensor(list(KNOWN["alc_scores"].values()), dtype=torch.float64)
    torch.testing.assert_close(scores, expected)
    assert int(order[0]) == KNOWN["alc"]


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("m", [0, 8])
def test_picks_and_variances_of_whole_matrices(kernel: str, dtype: torch.dtype, m: int) -> None:
    x, labelled, targets = cloud(60, 4, 1, dtype), cloud(20, 4, 2, dtype)[:m], cloud(30, 4, 3, dtype)
    model = {"noise": 0.1, "variance": 2.0, "kernel": KERNELS[kernel]}
    for chunk_bytes in (2**24, 2000):
        got = posterior_variance(x, labelled, chunk_bytes=chunk_bytes, **model)
        whole = covariance(KERNELS[kernel], x.double(), labelled.double(), 0.1, 2.0)
        torch.testing.assert_close(got, whole.diagonal().clone(), rtol=1e-9, atol=1e-12)
        got = max_variance(x, 20, labelled=labelled, chunk_bytes=chunk_bytes, **model).tolist()
        assert got == slow("alm", KERNELS[kernel], x, 20, labelled, x, 0.1, 2.0)
        got = alc(x, 20, labelled=labelled, chunk_bytes=chunk_bytes, **model).tolist()
        assert got == slow("alc", KERNELS[kernel], x, 20, labelled, x, 0.1, 2.0)
        got = alc(x, 20, labelled=labelled, targets=targets, chunk_bytes=chunk_bytes, **model).tolist()
        assert got == slow("alc", KERNELS[kernel], x, 20, labelled, targets, 0.1, 2.0)


def test_little_noise_wears_sums_down_and_they_are_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    starts: list[int] = []
    anew = module._Process.start

    def counted(self: module._Process) -> None:
        starts.append(1)
        anew(self)

    monkeypatch.setattr(module._Process, "start", counted)
    x, kernel = cloud(40, 2, 4), Rbf(2.0)
    assert alc(x, 35, noise=1e-6, kernel=kernel).tolist() == slow("alc", kernel, x, 35, x[:0], x, 1e-6, 1.0)
    assert len(starts) > 1


@pytest.mark.parametrize(("rule", "design"), [(max_variance, d_optimal), (alc, v_optimal)])
def test_with_a_linear_model_they_are_the_greedy_designs(
    rule: Callable[..., Tensor], design: Callable[..., Tensor]
) -> None:
    x, labelled = cloud(300, 6, 5), cloud(10, 6, 6)
    expected = design(x, 40, ridge=0.05, labelled=labelled).tolist()
    assert rule(x, 40, labelled=labelled, noise=0.1, variance=2.0).tolist() == expected


def test_max_variance_of_a_process_is_the_greedy_log_determinant() -> None:
    x, labelled, kernel = cloud(50, 3, 7), cloud(6, 3, 8), Rbf(2.0)
    picks: list[int] = []
    for _ in range(15):
        chosen = [torch.cat([labelled, x[picks], x[[row]]]) for row in range(50)]
        grams = torch.stack([torch.eye(len(c)).double() + prior(kernel, c, c, 1.0) / 0.2 for c in chosen])
        value = torch.logdet(grams)
        value[picks] = -torch.inf
        picks.append(int((value >= value.max() - 1e-11).nonzero()[0]))
    assert max_variance(x, 15, labelled=labelled, noise=0.2, kernel=kernel).tolist() == picks


def test_edges() -> None:
    x = cloud(12, 2, 9)
    for kernel in KERNELS.values():
        for rule in (max_variance, alc):
            assert rule(x, 0, noise=1.0, kernel=kernel).tolist() == []
            assert sorted(rule(x, 12, noise=1.0, kernel=kernel).tolist()) == list(range(12))
            assert rule(x[:1], 1, noise=1.0, kernel=kernel).tolist() == [0]
            assert rule(torch.ones(6, 2), 6, noise=1.0, kernel=kernel).tolist() == list(range(6))
        assert posterior_variance(x[:0], noise=1.0, kernel=kernel).shape == (0,)


def test_refusals() -> None:
    x = cloud(6, 2, 10)[:5]
    for kernel in KERNELS.values():
        with pytest.raises(ValueError, match="noise must be positive and finite, got 0"):
            posterior_variance(x, noise=0, kernel=kernel)
        with pytest.raises(ValueError, match="variance must be positive and finite, got -1"):
            max_variance(x, 1, noise=1, variance=-1, kernel=kernel)
        with pytest.raises(ValueError, match="cannot pick 6 of 5"):
            alc(x, 6, noise=1, kernel=kernel)
        with pytest.raises(ValueError, match="targets must hold at least one row"):
            alc(x, 1, noise=1, targets=x[:0], kernel=kernel)


def test_memory_grows_with_no_product_of_pool_and_targets(peak_bytes: Callable[[str, str], int]) -> None:
    setup = """
from labelbench_plus.algorithms.blocks.similarity import Rbf
from labelbench_plus.algorithms.posterior_variance import alc
x = torch.randn(6_000, 3, generator=torch.Generator().manual_seed(0))
alc(x[:100], 2, noise=0.1, kernel=Rbf(2.0))
"""
    peak = peak_bytes(setup, "alc(x, 2, labelled=x[:50] + 0.1, targets=x[:3_000], noise=0.1, kernel=Rbf(2.0))")
    assert peak < 6_000 * 3_000 * 8 / 2
