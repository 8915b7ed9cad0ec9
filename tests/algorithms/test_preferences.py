"""Losses of pairs and heads of rewards, against what can be seen at a glance."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from labelbench_plus.algorithms.preference_losses import pair_losses
from labelbench_plus.algorithms.reward_heads import bradley_terry, ordinal, ridge
from labelbench_plus.algorithms.reward_losses import reward_losses

BETTER, WORSE = torch.tensor([1.0, -2.0, 0.5]), torch.tensor([0.5, 1.0, 0.5])


def slow(better, worse, beta, loss, center):
    margin = better - worse
    if loss == "sigmoid":
        return math.log(1 + math.exp(-beta * margin))
    if loss == "ipo":
        return (margin - 1 / (2 * beta)) ** 2
    return 2 - 1 / (1 + math.exp(-beta * (better - center))) - 1 / (1 + math.exp(-beta * (center - worse)))


@pytest.mark.parametrize("loss", ["sigmoid", "ipo", "kto"])
def test_losses_are_those_of_the_formulas(loss):
    center = max(0.0, float(torch.cat([BETTER, WORSE]).mean()))
    expected = [slow(b, w, 0.3, loss, center) for b, w in zip(BETTER.tolist(), WORSE.tolist(), strict=True)]
    assert pair_losses(BETTER, WORSE, 0.3, loss).tolist() == pytest.approx(expected, rel=1e-5)


def test_nothing_gained_is_ln_2():
    zeros = torch.zeros(4)
    assert pair_losses(zeros, zeros, 0.1).tolist() == pytest.approx([math.log(2)] * 4)
    assert pair_losses(zeros, zeros, 0.1, "kto").tolist() == [1.0] * 4


def test_wrong_gains_are_refused():
    with pytest.raises(ValueError, match="of one length"):
        pair_losses(BETTER, WORSE[:2], 0.1)
    with pytest.raises(ValueError, match="above zero"):
        pair_losses(BETTER, WORSE, 0.0)


RNG = np.random.default_rng(0)


def is_least(loss, weights):
    """No small step to any side makes the loss less."""
    here = loss(weights)
    for column in range(len(weights)):
        for step in (-1e-3, 1e-3):
            other = weights.copy()
            other[column] += step
            assert loss(other) > here


@pytest.mark.parametrize("width", [3, 12])  # fewer and more columns than rows
def test_heads_minimise_what_they_say(width):
    features, scores = RNG.normal(size=(8, width)), RNG.normal(size=8)
    centred = features - features.mean(axis=0)
    is_least(
        lambda w: ((scores - scores.mean() - centred @ w) ** 2).sum() + 0.5 * (w**2).sum(), ridge(features, scores, 0.5)
    )
    better = np.array([0, 1, 1, 0, 0.5, 1, 0, 0.2])

    def comparing(w):
        chances = 1 / (1 + np.exp(-features @ w))
        return -(better * np.log(chances) + (1 - better) * np.log(1 - chances)).sum() + 0.25 * (w**2).sum()

    is_least(comparing, bradley_terry(features, better, 0.5))


def test_an_ordinal_head_minimises_what_it_says():
    features = RNG.normal(size=(20, 3))
    levels = np.round(features @ np.array([1.0, -1.0, 0.0]) + 0.3 * RNG.normal(size=20))
    found = ordinal(features, levels, 0.5)
    centred, each = features - features.mean(axis=0), np.unique(levels)

    def best(w):
        """The loss at w with the best thresholds for it."""
        from scipy.optimize import minimize

        scores = centred @ w

        def loss(cuts):
            edges = np.concatenate([[-np.inf], np.sort(cuts), [np.inf]])
            place = np.searchsorted(each, levels)
            chance = 1 / (1 + np.exp(scores - edges[place + 1])) - 1 / (1 + np.exp(scores - edges[place]))
            return -np.log(np.maximum(chance, 1e-300)).sum()

        start = np.linspace(-2, 2, len(each) - 1)
        return minimize(loss, start, method="L-BFGS-B").fun + 0.25 * (w**2).sum()

    here = best(found)
    for column in range(3):
        for step in (-0.05, 0.05):
            other = found.copy()
            other[column] += step
            assert best(other) > here
    with pytest.raises(ValueError, match="no order"):
        ordinal(features, np.zeros(20), 0.5)


def test_separable_pairs_have_finite_heads():
    found = bradley_terry(np.array([[1.0], [2.0], [100.0]]), np.ones(3), 1e-3)
    assert np.isfinite(found).all() and found[0] > 0


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"features": np.zeros((2, 0))}, "expected rows"),
        ({"said": np.zeros(3)}, "expected rows"),
        ({"features": np.full((2, 1), np.nan)}, "finite"),
        ({"l2": 0.0}, "above zero"),
        ({"said": np.array([0.0, 2.0])}, "probabilities"),
    ],
)
def test_what_no_head_can_learn_from(change, what):
    given = {"features": np.ones((2, 1)), "said": np.array([0.0, 1.0]), "l2": 1.0, **change}
    with pytest.raises(ValueError, match=what):
        bradley_terry(given["features"], given["said"], given["l2"])


def slow_reward(reward, said, loss, cuts):
    chance = 1 / (1 + math.exp(-reward))
    if loss == "bradley_terry":
        return -said * math.log(chance) - (1 - said) * math.log(1 - chance)
    if loss == "ridge":
        return (said - reward) ** 2
    below = [0.0, *(1 / (1 + math.exp(reward - cut)) for cut in cuts), 1.0]
    return -math.log(below[int(said) + 1] - below[int(said)])


@pytest.mark.parametrize(
    ("loss", "said"), [("bradley_terry", [0.0, 0.3, 1.0]), ("ridge", [0.5, -1.0, 2.0]), ("ordinal", [0.0, 1.0, 2.0])]
)
def test_losses_of_rewards_are_those_of_the_formulas(loss, said):
    rewards, cuts = [0.4, -1.5, 2.0], [-0.5, 1.0]
    expected = [slow_reward(r, s, loss, cuts) for r, s in zip(rewards, said, strict=True)]
    found = reward_losses(torch.tensor(rewards), torch.tensor(said), loss, torch.tensor(cuts))
    assert found.tolist() == pytest.approx(expected, rel=1e-5)
    far = reward_losses(torch.tensor([60.0, -60.0, 0.0]), torch.tensor(said), loss, torch.tensor(cuts))
    assert far.isfinite().all()


def test_wrong_rewards_are_refused():
    with pytest.raises(ValueError, match="of one length"):
        reward_losses(torch.zeros(2), torch.zeros(3), "ridge")
    with pytest.raises(ValueError, match="thresholds"):
        reward_losses(torch.zeros(2), torch.zeros(2), "ordinal")
