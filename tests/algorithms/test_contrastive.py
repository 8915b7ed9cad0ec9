"""A small CLIP learns what belongs together."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from labelbench_plus.algorithms.learners.contrastive import fit_contrastive, recall_at_1

SETTINGS = {"width": 16, "hidden": 32, "steps": 150, "batch": 64, "learning_rate": 5e-3, "weight_decay": 0.0}


def fit(images, texts, words, seed=0, **changed):
    rng = np.random.default_rng(seed)
    init = torch.Generator().manual_seed(seed)
    return fit_contrastive(images, texts, words, **{**SETTINGS, **changed}, init=init, order=rng)


def made(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    latent = rng.normal(size=(rows, 4))
    turns = np.random.default_rng(9).normal(size=(2, 4, 12))
    images, texts = (latent @ turn + 0.1 * rng.normal(size=(rows, 12)) for turn in turns)
    return images.astype(np.float32), texts.astype(np.float32)


def test_vectors_of_both_sides_find_each_other():
    towers = fit(*made(400, 0), None)
    images, texts = made(128, 1)
    found = recall_at_1(towers.embed_images(images), towers.embed_texts(texts), torch.arange(128), 128)
    assert found > 0.5  # 1/128 by chance


def test_words_and_pixels():
    rng = np.random.default_rng(0)
    labels = rng.integers(4, size=300)
    images = (rng.integers(40, size=(300, 6, 6)) + 200 * (np.arange(6)[None, :, None] == labels[:, None, None])).astype(
        np.uint8
    )
    texts = np.stack([np.full(300, 1), labels + 2, np.zeros(300, dtype=int)], axis=1)
    towers = fit(images, texts, 6)
    names = np.array([[1, k + 2, 0] for k in range(4)])
    nearest = (towers.embed_images(images) @ towers.embed_texts(names).T).argmax(dim=1)
    assert float((nearest.numpy() == labels).mean()) > 0.95
    longer = np.pad(names, ((0, 0), (0, 5)))
    torch.testing.assert_close(towers.embed_texts(longer), towers.embed_texts(names))


def test_a_function_of_its_generators():
    data = made(100, 0)
    one, two, other = fit(*data, None), fit(*data, None), fit(*data, None, seed=1)
    assert all(torch.equal(one.weights[name], two.weights[name]) for name in one.weights)
    assert not torch.equal(one.weights["images.in"], other.weights["images.in"])


def test_recall_counts_equal_texts_as_right_and_leaves_out_the_rest():
    eye = torch.eye(6)
    assert recall_at_1(eye, eye, torch.arange(6), 3) == 1.0
    assert recall_at_1(eye, eye.flip(0), torch.arange(6), 6) == 0.0
    assert recall_at_1(eye, eye.flip(0), torch.zeros(6), 6) == 1.0
    assert recall_at_1(eye[:5], eye[:5][[0, 1, 2, 4, 3]], torch.arange(5), 3) == 1.0


def test_what_does_not_match_is_refused():
    images, texts = made(10, 0)
    with pytest.raises(ValueError, match="as many texts as images"):
        fit(images, texts[:5], None)
