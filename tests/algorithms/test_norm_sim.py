"""NormSim and the Variance Alignment Score against loops in double precision."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from labelbench_plus.algorithms.blocks.second_moment import gram, gram_of_parts
from labelbench_plus.algorithms.norm_sim import norm_sim
from labelbench_plus.algorithms.variance_alignment import variance_alignment


def unit(rows: int, width: int, seed: int = 0) -> torch.Tensor:
    values = torch.randn(rows, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return values / values.norm(dim=1, keepdim=True)


def by_hand(images: torch.Tensor, targets: torch.Tensor, p: float) -> np.ndarray:
    scores = []
    for f in images.double().numpy():
        similarities = [abs(float(f @ t)) for t in targets.double().numpy()]
        scores.append(max(similarities) if p == math.inf else math.fsum(s**p for s in similarities) ** (1 / p))
    return np.array(scores)


@pytest.mark.parametrize("p", [1, 2, 4, math.inf])
def test_check_4_brute_force(p):
    images, targets = unit(500, 32).half(), unit(200, 32, 1).half()
    np.testing.assert_allclose(norm_sim(images, targets, p).numpy(), by_hand(images, targets, p), rtol=1e-6)


def test_check_4_identities():
    images, targets = unit(500, 32), unit(200, 32, 1)
    scores = {p: norm_sim(images, targets, p).double() for p in (1, 2, 4, math.inf)}
    moment = gram(targets) / 200
    torch.testing.assert_close(scores[2].square(), 200 * variance_alignment(images, moment).double(), rtol=1e-6, atol=0)
    assert (scores[1] >= scores[2]).all() and (scores[2] >= scores[4]).all() and (scores[4] >= scores[math.inf]).all()
    assert (scores[2] <= math.sqrt(200) * scores[math.inf] * (1 + 1e-6)).all()


def test_check_4_variance_alignment_by_hand():
    images, texts, targets = unit(500, 32), unit(500, 32, 2), unit(200, 32, 1)
    moment = sum(np.outer(t, t) for t in targets.numpy()) / 200
    for others in (None, texts):
        h = images if others is None else others
        by_hand = [f @ moment @ g for f, g in zip(images.numpy(), h.numpy(), strict=True)]
        ours = variance_alignment(images, torch.from_numpy(moment), others)
        np.testing.assert_allclose(ours.numpy(), by_hand, rtol=1e-5, atol=1e-7)


def test_check_7_extremes_of_variance_alignment():
    images = unit(300, 48)
    even = variance_alignment(images, torch.eye(48) / 48)
    torch.testing.assert_close(even, torch.full((300,), 1 / 48), rtol=1e-6, atol=0)
    u = unit(1, 48, 3)[0]
    along = variance_alignment(images, torch.outer(u, u))
    torch.testing.assert_close(along, (images @ u).square().float(), rtol=1e-5, atol=1e-7)


def test_check_7_rotation_and_bound():
    images, targets = unit(300, 48), unit(100, 48, 1)
    turn = torch.linalg.qr(torch.randn(48, 48, generator=torch.Generator().manual_seed(5), dtype=torch.float64))[0]
    moment = gram(targets) / 100
    plain = variance_alignment(images, moment)
    turned = variance_alignment(images @ turn, gram(targets @ turn) / 100)
    torch.testing.assert_close(plain, turned, rtol=0, atol=1e-6)
    assert float(plain.max()) <= float(torch.linalg.eigvalsh(moment)[-1]) * (1 + 1e-6)
    assert float(plain.min()) >= 0


def test_the_same_bits_however_the_rows_are_cut():
    images, targets = unit(5000, 24).half(), unit(300, 24, 1)
    moment = gram(targets)
    whole = variance_alignment(images, moment), norm_sim(images, targets)
    pieces = images.split(2048)
    assert torch.equal(whole[0], torch.cat([variance_alignment(piece, moment) for piece in pieces]))
    assert torch.equal(whole[1], torch.cat([norm_sim(piece, targets) for piece in pieces]))


def test_sums_of_outer_products():
    rows = unit(4500, 12)
    torch.testing.assert_close(gram(rows), rows.T @ rows, rtol=0, atol=1e-10)
    total, count = gram_of_parts(rows.split(1000))
    assert count == 4500
    torch.testing.assert_close(total, gram(rows), rtol=0, atol=1e-10)
    with pytest.raises(ValueError, match="columns"):
        gram_of_parts([rows, rows[:, :3]])
    with pytest.raises(ValueError, match="at least one row"):
        gram_of_parts([])


def test_check_12_norms_are_left_as_they_are():
    images, targets = unit(200, 32), unit(50, 32, 1)
    longer = images * 1.001
    for p in (2, math.inf):
        ratio = norm_sim(longer, targets, p) / norm_sim(images, targets, p)
        torch.testing.assert_close(ratio, torch.full((200,), 1.001), rtol=1e-5, atol=0)


def test_check_12_half_precision_keeps_the_set():
    images, targets = unit(20_000, 64).half(), unit(500, 64, 1).half()
    reference = ((images.double() @ (gram(targets) / 500)) * images.double()).sum(1)
    largest = (images.double() @ targets.double().T).abs().amax(1)
    for ours, exact in ((norm_sim(images, targets, 2), reference), (norm_sim(images, targets), largest)):
        ours_set = set(ours.topk(6000).indices.tolist())
        assert len(ours_set & set(exact.topk(6000).indices.tolist())) >= 6000 * 0.9999


@pytest.mark.parametrize(
    ("images", "targets", "p", "message"),
    [
        (unit(5, 3), unit(5, 4), 2, "targets must be"),
        (unit(5, 3), unit(0, 3), 2, "targets must be"),
        (unit(5, 3), unit(5, 3), 0.5, "at least 1"),
        (unit(5, 3) * math.nan, unit(5, 3), 2, "finite"),
    ],
)
def test_bad_input_is_refused(images, targets, p, message):
    with pytest.raises(ValueError, match=message):
        norm_sim(images, targets, p)


def test_a_moment_of_another_width_is_refused():
    with pytest.raises(ValueError, match="moment must be"):
        variance_alignment(unit(5, 3), torch.eye(4))
