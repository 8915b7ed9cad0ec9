"""Uncertainty of label sets, against the definitions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import bernoulli

from labelbench_plus.algorithms.label_uncertainty import binary_minimum, mean_binary_entropy


def test_against_the_definitions_for_any_chunk():
    probabilities = np.random.default_rng(0).random((40, 3))
    probabilities[0] = [0, 1, 0.5]
    given = torch.from_numpy(probabilities)
    expected = [np.mean([bernoulli(p).entropy() for p in row]) for row in probabilities]
    for chunk in (1, 500, 2**22):
        assert np.allclose(mean_binary_entropy(given, chunk_bytes=chunk), expected)
    assert torch.equal(mean_binary_entropy(given, chunk_bytes=1), mean_binary_entropy(given))
    assert np.allclose(binary_minimum(given), [min(abs(p - 0.5) for p in row) for row in probabilities])


@pytest.mark.parametrize("score", [mean_binary_entropy, binary_minimum])
def test_what_is_no_probability_is_refused(score):
    for bad, message in (
        ([[0.5, 1.5]], r"0\.\.1, got 0\.5\.\.1\.5"),
        ([[0.5, float("nan")]], "row 0"),
        ([[]], "at least one"),
    ):
        with pytest.raises(ValueError, match=message):
            score(torch.tensor(bad))
    assert score(torch.zeros(0, 3)).shape == (0,)
