"""Generated data: what is said of it holds for what is drawn."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kurtosis
from sklearn.datasets import make_friedman1, make_friedman2, make_friedman3

from labelbench_plus.datasets import datasets
from labelbench_plus.datasets.friedman import value
from labelbench_plus.datasets.linear import Linear

PARTS = ("pool", "validation", "test")
LARGE = {"pool": 40_000, "validation": 10, "test": 40_000}


def parts_of(name, **fields):
    data = datasets.build({"name": name, **LARGE, **fields}).load()
    return [(getattr(data, part).inputs, getattr(data, part).labels) for part in PARTS]


@pytest.mark.parametrize(("function", "make"), [(1, make_friedman1), (2, make_friedman2), (3, make_friedman3)])
def test_friedmans_functions_are_those_of_scikit_learn(function, make):
    x, y = make(200, noise=0.0, random_state=0)
    assert value(x, function) == pytest.approx(y)


def test_a_least_squares_fit_finds_the_linear_function_and_its_noise():
    (x, y), _, (test, labels) = parts_of("linear", noise=0.3)
    weights = Linear().weights()
    found, *_ = np.linalg.lstsq(x, y, rcond=None)
    assert np.linalg.norm(found - weights) < 0.02 * np.linalg.norm(weights)
    residuals = labels - test @ found
    assert residuals.std() == pytest.approx(0.3, rel=0.02)
    far = np.linalg.norm(test, axis=1) > np.median(np.linalg.norm(test, axis=1))
    assert residuals[far].std() == pytest.approx(residuals[~far].std(), rel=0.03)
    assert abs(kurtosis(residuals)) < 0.1  # the tails are the inputs', not the noise's


def test_inputs_of_the_linear_function_are_stretched_and_have_heavy_tails():
    (x, y), _, _ = parts_of("linear", stretch=10.0, dimensions=4, noise=0.0)
    deviations = np.sqrt(np.linalg.eigvalsh(np.cov(x.T)))
    assert deviations == pytest.approx([0.1, 0.1 * 10 ** (1 / 3), 0.1 * 10 ** (2 / 3), 1.0], rel=0.05)
    assert y.std() == pytest.approx(1.0, rel=0.03)
    assert kurtosis(y) > 2  # 6 for five degrees of freedom; 0 for a normal distribution
    light = parts_of("linear", dimensions=4, noise=0.0, tails=1e6)[0][1]
    assert abs(kurtosis(light)) < 0.2


@pytest.mark.parametrize("name", ["friedman", "linear", "step", "heteroscedastic_sine"])
def test_parts_are_drawn_apart_and_the_same_every_time(name):
    pool, _, test = parts_of(name)
    again = parts_of(name)[0]
    assert np.array_equal(pool[0], again[0])
    assert np.array_equal(pool[1], again[1])
    assert not np.array_equal(pool[0], test[0])
