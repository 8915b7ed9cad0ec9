"""Token statistics and the uncertainty of the worst token, against loops in plain Python."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from labelbench_plus.algorithms.token_uncertainty import TokenStatistics, max_uncertainty, token_statistics

DTYPES = [torch.float16, torch.float32, torch.float64]


def sequences(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(1, 9, (200,), generator=generator)
    scale = torch.rand(int(lengths.sum()), 1, generator=generator, dtype=torch.float64) * 6
    return (scale * torch.randn(len(scale), 11, generator=generator, dtype=torch.float64)).to(dtype), lengths


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_definitions(dtype: torch.dtype) -> None:
    logits, lengths = sequences(dtype)
    statistics = token_statistics(logits)
    tolerance = 1e-12 if dtype == torch.float64 else 1e-5
    expected: dict[Any, list[float]] = {"entropy": [], "least_confidence": [], "margin": []}
    for sequence in logits.double().softmax(dim=1).split(lengths.tolist()):
        tokens = [sorted(token, reverse=True) for token in sequence.tolist()]
        expected["entropy"].append(max(-sum(q * math.log(q) for q in token) for token in tokens))
        expected["least_confidence"].append(max(1 - token[0] for token in tokens))
        expected["margin"].append(max(1 - (token[0] - token[1]) for token in tokens))
    for measure, values in expected.items():
        scores = max_uncertainty(statistics, lengths, measure=measure)
        assert scores.dtype == torch.float64
        assert scores.tolist() == pytest.approx(values, abs=tolerance)


def test_one_minus_margin_ranks_as_the_smallest_margin() -> None:
    logits, lengths = sequences()
    statistics = token_statistics(logits)
    smallest = torch.stack([part.min() for part in (statistics.first - statistics.second).split(lengths.tolist())])
    scores = max_uncertainty(statistics, lengths)
    assert torch.equal(scores.argsort(descending=True, stable=True), smallest.argsort(stable=True))


@pytest.mark.parametrize("measure", ["entropy", "least_confidence", "margin"])
def test_directions_and_extremes(measure: Any) -> None:
    uniform, peaked = torch.zeros(1, 5), torch.tensor([[200.0, 0.0, 0.0, 0.0, 0.0]])
    statistics = token_statistics(torch.cat([peaked, peaked, peaked, uniform]))
    sure, unsure = max_uncertainty(statistics, torch.tensor([2, 2]), measure=measure).tolist()
    assert sure == 0
    assert unsure == pytest.approx({"entropy": math.log(5), "least_confidence": 0.8, "margin": 1}[measure])


def test_a_constant_added_to_all_logits_changes_nothing() -> None:
    logits, lengths = sequences()
    moved = max_uncertainty(token_statistics(logits + 100), lengths)
    assert moved.tolist() == pytest.approx(max_uncertainty(token_statistics(logits), lengths).tolist(), abs=1e-11)


@pytest.mark.parametrize("chunk_bytes", [1, 1000])
def test_chunks_and_threads_do_not_matter(chunk_bytes: int) -> None:
    logits, _ = sequences(torch.float32)
    whole = token_statistics(logits)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        parts = token_statistics(logits, chunk_bytes=chunk_bytes)
    finally:
        torch.set_num_threads(threads)
    for one, other in zip(vars(whole).values(), vars(parts).values(), strict=True):
        assert torch.equal(one, other)


def test_edges() -> None:
    nothing = token_statistics(torch.zeros(0, 4))
    assert max_uncertainty(nothing, torch.zeros(0, dtype=torch.long)).tolist() == []
    assert max_uncertainty(token_statistics(torch.zeros(1, 2)), torch.tensor([1])).tolist() == [1.0]


def test_refusals() -> None:
    with pytest.raises(ValueError, match="logits must be finite, but row 1"):
        token_statistics(torch.tensor([[0.0, 1.0], [math.nan, 0.0]]))
    with pytest.raises(ValueError, match="at least two columns"):
        token_statistics(torch.zeros(3, 1))
    statistics = token_statistics(torch.zeros(3, 4))
    with pytest.raises(ValueError, match="lengths sum to 4, but there are statistics of 3 tokens"):
        max_uncertainty(statistics, torch.tensor([2, 2]))
    with pytest.raises(ValueError, match="sequence 1 has none"):
        max_uncertainty(statistics, torch.tensor([3, 0]))
    with pytest.raises(ValueError, match="lengths must be a vector of integers"):
        max_uncertainty(statistics, torch.tensor([3.0]))
    with pytest.raises(ValueError, match="unknown measure 'max'"):
        max_uncertainty(statistics, torch.tensor([3]), measure="max")  # type: ignore[arg-type]
    spoilt = TokenStatistics(torch.tensor([math.inf]), torch.ones(1), torch.zeros(1))
    with pytest.raises(ValueError, match="statistics must be finite, but row 0"):
        max_uncertainty(spoilt, torch.tensor([1]), measure="entropy")


def test_no_copy_of_the_logits_is_made(peak_bytes: Callable[[str, str], int]) -> None:
    setup = "\n".join(
        [
            "from labelbench_plus.algorithms.token_uncertainty import token_statistics",
            "x = torch.randn(1000, 30000).half()",
            "token_statistics(x[:200])",
        ]
    )
    assert peak_bytes(setup, "token_statistics(x)") < 24 * 2**20  # the logits are 60 MB
