"""Relevance, novelty and near copies, each beside a loop."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from labelbench_plus.algorithms.norm_sim import norm_sim
from labelbench_plus.language.matching import normalised
from labelbench_plus.language.similarity import GRAM, NEAR, near_copies, novelty, relevance

VECTORS = torch.randn(5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
TARGETS = torch.randn(7, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def cosine(one, other):
    return float(one @ other / (one.norm() * other.norm()))


def test_they_are_norms_of_cosines():
    for row, (near, new) in enumerate(zip(relevance(VECTORS, TARGETS), novelty(VECTORS, TARGETS), strict=True)):
        found = [cosine(VECTORS[row], target) for target in TARGETS]
        assert float(near) == pytest.approx(math.sqrt(sum(value**2 for value in found) / 7), abs=1e-5)
        assert float(new) == pytest.approx(1 - max(map(abs, found)), abs=1e-5)


def test_high_powers_come_to_the_largest():
    one, other = (torch.nn.functional.normalize(each, dim=1) for each in (VECTORS, TARGETS))
    assert torch.allclose(norm_sim(one, other, 100.0), norm_sim(one, other), rtol=0.02)


def test_what_was_shown_is_not_new():
    assert float(novelty(TARGETS, TARGETS).max()) < 1e-6
    assert float(novelty(3 * TARGETS[:1], TARGETS)) < 1e-6
    assert torch.allclose(relevance(TARGETS[:1], TARGETS[:1]), torch.ones(1))


def slow_near(texts, of):
    said = [*map(normalised, (*of, *texts))]
    grams = [{text[start : start + GRAM] for start in range(max(1, len(text) - GRAM + 1))} for text in said]
    return [
        any(len(grams[row] & grams[other]) >= NEAR * len(grams[row] | grams[other]) for other in range(row))
        for row in range(len(of), len(said))
    ]


def test_near_copies_are_found_wherever_they_stand(monkeypatch):
    monkeypatch.setattr("labelbench_plus.language.similarity.ROWS", 3)
    of = ["What is the capital of France?", "a", "How many legs has a spider?"]
    texts = [
        "what is the capital of france",
        "What is the Capital of Francs?",
        "Who wrote it?",
        "an",
        "a a a",
        "",
        "  ",
    ]
    texts += [
        "How many legs has one spider?",
        "how many legs has a spider",
        "Who wrote it then, and where?",
        "who wrote it",
    ]
    found = near_copies(texts, of)
    assert found.tolist() == slow_near(texts, of)
    assert found[:3].tolist() == [True, True, False] and found[-1]
    rng = np.random.default_rng(0)
    many = ["".join(rng.choice(list("ab "), size=6)) for _ in range(60)]
    assert near_copies(many, many[:5]).tolist() == slow_near(many, many[:5])
    assert near_copies([], ["x"]).tolist() == []
