"""negCLIPLoss against its definition, its closed forms and its invariances."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from labelbench_plus.algorithms.neg_clip_loss import cut_batches, neg_clip_loss
from labelbench_plus.algorithms.neg_clip_loss_bank import neg_clip_loss_bank


def unit(rows: int, width: int, rng: np.random.Generator) -> torch.Tensor:
    values = rng.normal(size=(rows, width))
    return torch.from_numpy(values / np.linalg.norm(values, axis=1, keepdims=True))


def by_hand(images, texts, draws, temperature):
    f, g = images.double().numpy(), texts.double().numpy()
    scores = np.array([f[i] @ g[i] for i in range(len(f))])
    total = np.zeros(len(f))
    for batches in draws:
        for batch in batches:
            for i in batch:
                rows = [f[i] @ g[j] / temperature for j in batch]
                columns = [f[j] @ g[i] / temperature for j in batch]
                for logits in (rows, columns):
                    top = max(logits)
                    total[i] += temperature / 2 * (top + math.log(sum(math.exp(x - top) for x in logits)))
    return scores - total / len(draws)


@pytest.mark.parametrize("temperature", [0.001, 0.01, 0.07, 1.0])
def test_check_4_brute_force(temperature):
    rng = np.random.default_rng(0)
    images, texts = unit(500, 32, rng), unit(500, 32, rng)
    draws = [cut_batches(rng.permutation(500), 128, "authors") for _ in range(2)]
    ours = neg_clip_loss(images, texts, draws, temperature=temperature)
    np.testing.assert_allclose(ours.numpy(), by_hand(images, texts, draws, temperature), rtol=1e-6, atol=2e-7)


def test_check_5_closed_forms():
    one = [[np.array([0])]]
    rng = np.random.default_rng(1)
    f, g = unit(1, 16, rng), unit(1, 16, rng)
    assert float(neg_clip_loss(f, g, one)) == 0.0
    same = f.repeat(300, 1)
    whole = [[np.arange(300)]]
    equal = neg_clip_loss(same, same, whole)
    torch.testing.assert_close(equal, torch.full((300,), -0.01 * math.log(300)), rtol=0, atol=1e-6)
    for temperature in (0.01, 0.5):
        pairs = torch.eye(64)
        value = 1 - temperature * np.logaddexp(1 / temperature, math.log(63))
        scores = neg_clip_loss(pairs, pairs, [[np.arange(64)]], temperature=temperature)
        torch.testing.assert_close(scores, torch.full((64,), value, dtype=torch.float32), rtol=0, atol=1e-6)


def test_check_5_invariances():
    rng = np.random.default_rng(2)
    images, texts = unit(200, 24, rng).half(), unit(200, 24, rng).half()
    draws = [cut_batches(rng.permutation(200), 90, "authors") for _ in range(2)]
    scores = neg_clip_loss(images, texts, draws, batch=90)
    assert float(scores.max()) <= 0
    torch.testing.assert_close(neg_clip_loss(texts, images, draws, batch=90), scores, rtol=0, atol=1e-6)
    order = rng.permutation(200)
    place = np.argsort(order)
    moved = [[place[batch] for batch in batches] for batches in draws]
    again = neg_clip_loss(images[order], texts[order], moved, batch=90)
    torch.testing.assert_close(again, scores[order], rtol=0, atol=1e-6)


def test_batches_larger_than_a_tile():
    rng = np.random.default_rng(3)
    images, texts = unit(2500, 8, rng).float(), unit(2500, 8, rng).float()
    ours = neg_clip_loss(images, texts, [[np.arange(2500)]], temperature=0.05)
    logits = images.double() @ texts.double().T / 0.05
    exact = logits.diagonal() * 0.05 - 0.025 * (logits.logsumexp(0) + logits.logsumexp(1))
    torch.testing.assert_close(ours.double(), exact, rtol=0, atol=1e-6)


@pytest.mark.parametrize("treatment", ["authors", "offdiag"])
def test_check_6_a_short_batch(treatment):
    rng = np.random.default_rng(4)
    gaps = []
    for _ in range(20):
        images, texts = unit(512, 64, rng), unit(512, 64, rng)
        short = rng.permutation(512)[:100]
        full = neg_clip_loss(images, texts, [[np.arange(512)]], temperature=0.1)
        batch = 512 if treatment == "offdiag" else None
        some = neg_clip_loss(images[short], texts[short], [[np.arange(100)]], temperature=0.1, batch=batch)
        gaps.append(float((some - full[short]).mean()))
    error = np.std(gaps, ddof=1) / math.sqrt(20)
    expected = 0.1 * math.log(512 / 100) if treatment == "authors" else 0.0
    # The logarithm of a mean of m log-normal terms lies below that of 512 by half the difference of their variances.
    of_logarithm = 0.1 / 2 * (math.exp(1 / (64 * 0.1**2)) - 1) * (1 / 100 - 1 / 512)
    assert abs(np.mean(gaps) - expected) < 3 * error + of_logarithm
    assert of_logarithm < 0.01 * 0.1 * math.log(512 / 100)


def test_check_6_where_own_pairs_dominate_no_treatment_matters():
    pairs = torch.eye(512)
    full = neg_clip_loss(pairs, pairs, [[np.arange(512)]])
    for batch in (None, 512):
        short = neg_clip_loss(pairs[:100], pairs[:100], [[np.arange(100)]], batch=batch)
        assert float((short - full[:100]).abs().max()) < 1e-6
    rng = np.random.default_rng(5)
    images, texts = unit(128, 16, rng), unit(128, 16, rng)
    whole = [[np.arange(128)]]
    assert torch.equal(neg_clip_loss(images, texts, whole, batch=128), neg_clip_loss(images, texts, whole))


def test_how_a_draw_is_cut():
    order = np.arange(10)
    assert [len(b) for b in cut_batches(order, 4, "authors")] == [4, 4, 2]
    assert [len(b) for b in cut_batches(order, 4, "offdiag")] == [4, 4, 2]
    assert [len(b) for b in cut_batches(order, 4, "balanced")] == [4, 3, 3]
    assert cut_batches(order[:0], 4, "balanced") == []


def test_memory_is_a_tile_and_not_a_batch_squared(peak_bytes):
    setup = """
import numpy as np
from labelbench_plus.algorithms.neg_clip_loss import neg_clip_loss
x = torch.nn.functional.normalize(torch.randn(6144, 16), dim=1)
neg_clip_loss(x[:64], x[:64], [[np.arange(64)]])
"""
    assert peak_bytes(setup, "neg_clip_loss(x, x, [[np.arange(6144)]])") < 60e6  # 6144² takes 151 MB


@pytest.mark.parametrize(
    ("draws", "temperature", "message"),
    [
        ([], 0.01, "at least one draw"),
        ([[np.array([0, 1])]], 0.01, "no partition"),
        ([[np.array([0, 1, 1])]], 0.01, "no partition"),
        ([[np.arange(3)]], 0.0, "temperature"),
    ],
)
def test_bad_input_is_refused(draws, temperature, message):
    with pytest.raises(ValueError, match=message):
        neg_clip_loss(torch.eye(3), torch.eye(3), draws, temperature=temperature)


def test_pairs_must_match():
    with pytest.raises(ValueError, match="same shape"):
        neg_clip_loss(torch.eye(3), torch.eye(4), [[np.arange(3)]])


@pytest.mark.parametrize("temperature", [0.001, 0.01, 0.07, 1.0])
def test_a_bank_by_hand(temperature):
    rng = np.random.default_rng(6)
    images, texts = unit(60, 16, rng), unit(60, 16, rng)
    places = torch.full((60,), -1)
    bank = torch.tensor([3, 50, 7, *range(20, 40)])
    places[bank] = torch.arange(len(bank))
    ours = neg_clip_loss_bank(
        images, texts, images[bank], texts[bank], batch=100, places=places, temperature=temperature
    )
    f, g = images.numpy(), texts.numpy()
    for i in range(60):
        others = [j for j in bank.tolist() if j != i]
        total = 0.0
        for logits in ([f[i] @ g[j] for j in others], [f[j] @ g[i] for j in others]):
            parts = np.array(logits) / temperature
            mean = np.logaddexp.reduce(parts) - math.log(len(others))
            total += np.logaddexp(f[i] @ g[i] / temperature, math.log(99) + mean)
        assert float(ours[i]) == pytest.approx(f[i] @ g[i] - temperature / 2 * total, rel=1e-5, abs=1e-6)


def test_a_bank_of_the_whole_pool_is_one_batch_of_it():
    rng = np.random.default_rng(7)
    images, texts = unit(2500, 12, rng).half(), unit(2500, 12, rng).half()
    banked = neg_clip_loss_bank(images, texts, images, texts, batch=2500, places=torch.arange(2500))
    torch.testing.assert_close(banked, neg_clip_loss(images, texts, [[np.arange(2500)]]), rtol=0, atol=1e-6)
    pieces = [
        neg_clip_loss_bank(images[part], texts[part], images, texts, batch=2500, places=part)
        for part in torch.arange(2500).split(1024)
    ]
    assert torch.equal(torch.cat(pieces), banked)


def test_a_bank_that_cannot_be_used_is_refused():
    eye = torch.eye(3)
    with pytest.raises(ValueError, match="a pair besides the row itself"):
        neg_clip_loss_bank(eye, eye, eye[:1], eye[:1], batch=3, places=torch.tensor([0, -1, -1]))
    with pytest.raises(ValueError, match="both sides of the bank"):
        neg_clip_loss_bank(eye, eye, eye, eye[:2], batch=3)
    with pytest.raises(ValueError, match="batch at least 1"):
        neg_clip_loss_bank(eye, eye, eye, eye, batch=0)
