"""Scores of a hundred thousand rows against double precision, and what a whole selection holds in memory."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from benchmarks.speed.data_selection import SCORES, Cell, measured, pipeline

SCRIPT = """
generator = torch.Generator().manual_seed(0)
def unit(rows, width):
    values = torch.empty(rows, width, dtype=torch.float16)
    for start in range(0, rows, 10_000):
        part = torch.rand(min(10_000, rows - start), width, generator=generator) - 0.4
        values[start:start + 10_000] = torch.nn.functional.normalize(part, dim=1).half()
    return values
def close(ours, exact):
    assert ((ours.double() - exact).abs() <= 1e-6 + 1e-5 * exact.abs()).all(), (ours.double() - exact).abs().max()
for width in (512, 768):
    images, targets = unit(100_000, width), unit(64, width)
    rows = torch.randint(100_000, (200,), generator=generator)
    some, exact_targets = images[rows].double(), targets.double()
    similarity = (some @ exact_targets.T).abs()
    close(variance_alignment(images, gram(targets) / 64)[rows], similarity.square().mean(dim=1))
    close(norm_sim(images, targets, 2)[rows], similarity.square().sum(dim=1).sqrt())
    close(norm_sim(images, targets)[rows], similarity.amax(dim=1))
    texts = images.roll(1, 0)
    batches = cut_batches(np.random.default_rng(0).permutation(100_000), 256, "authors")
    scores = neg_clip_loss(images, texts, [batches])
    for batch in batches[:2]:
        logits = images[batch].double() @ texts[batch].double().T / 0.01
        exact = 0.01 * (logits.diagonal() - (logits.logsumexp(0) + logits.logsumexp(1)) / 2)
        close(scores[batch], exact)
"""
IMPORTS = """
import numpy as np
from labelbench_plus.algorithms.neg_clip_loss import cut_batches, neg_clip_loss
from labelbench_plus.algorithms.norm_sim import norm_sim
from labelbench_plus.algorithms.blocks.second_moment import gram
from labelbench_plus.algorithms.variance_alignment import variance_alignment
"""


@pytest.mark.slow
def test_check_3_a_hundred_thousand_rows(peak_bytes: Callable[[str, str], int]):
    assert peak_bytes(IMPORTS, SCRIPT) < 1e9  # the data themselves take half of it


@pytest.mark.parametrize("score", SCORES)
def test_the_benchmark_s_formulas_are_what_is_computed(score: str):
    found = {record["method"]: record for record in measured(Cell(score, 1500, 32, 300, 1500), 1)}
    assert {"ours", "formula"} <= set(found)
    assert found["ours"]["largest_difference"] < 1e-5
    assert found["ours"]["peak_bytes"] is None or found["ours"]["peak_bytes"] < 50e6


def test_check_13_a_selection_holds_neither_all_rows_by_all_targets_nor_a_batch_squared():
    """The million rows themselves are measured by benchmarks/speed/data_selection --pipeline 1000000."""
    found = pipeline(rows=32_000, width=64, targets=8000, batch=8000)
    vectors = 2 * 8000 * 64 * 2  # of a shard, both sides
    assert found["peak_bytes"] - found["peak_bytes_before"] < 200e6 + vectors
    assert 4 * 8000**2 > 250e6 and 4 * 9600 * 8000 > 250e6
