"""Worlds whose responses are listed: optima in closed form, pairs, and what is implied by policies."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from labelbench_plus.algorithms.decoding.divergences import divergence
from labelbench_plus.algorithms.decoding.policy_combination import mean_divergence, optimal_policy
from labelbench_plus.combiners import Response
from labelbench_plus.decoding.exact_set import ExactSet
from labelbench_plus.decoding.token_tree import conditionals, joint
from labelbench_plus.decoding.value_of_information import best_values, expected_gain
from labelbench_plus.decoding.weightings import lattice, nearest_weighting
from labelbench_plus.policy_sets import Pairs

KNOWN = json.loads((Path(__file__).parents[1] / "algorithms" / "known_decoding.json").read_text())
ALL = [("reverse_kl", None), ("forward_kl", None), ("jsd", None), ("jeffreys", None), ("alpha", 0.3), ("alpha", 0.7)]
# From the page on which the questions of a user with hidden weights were worked out by hand.
ASKED = {
    "rewards": [[1.0, 0.0, 0.5, 0.0], [0.0, 1.0, 0.5, 0.25]],
    "weights": [0.8, 0.2],
    "questions": ([0, 2, 0], [1, 3, 2]),
    "probability": [0.7685247834990178, 0.7109495026250039, 0.6456563062257954],
    "regret": {(0.5, 0.5): 0.052315731175054114, (1.0, 0.0): 0.01903586800471646, (0.0, 1.0): 0.3180695652389685},
    "regret_of_reference": 0.08388403975904951,
}


def world(name="reverse_kl", alpha=None, prompts=2, responses=7, objectives=3, beta=0.4, seed=0):
    rng = np.random.default_rng(seed)
    reference = torch.log_softmax(torch.as_tensor(rng.standard_normal((prompts, responses))), dim=-1)
    rewards = torch.as_tensor(rng.standard_normal((objectives, prompts, responses)))
    return ExactSet(beta, divergence(name, alpha), reference, rewards)


def named(name):
    kind, _, alpha = name.partition("_0.")
    return divergence(kind, float(f"0.{alpha}")) if alpha else divergence(name)


@pytest.mark.parametrize("case", KNOWN["tables"], ids=lambda case: case["id"])
def test_known_optima(case):
    reference = torch.tensor(case["ref"], dtype=torch.float64).log()
    scores = torch.tensor(case["R"], dtype=torch.float64) / case["beta"]
    for name, known in case["by"].items():
        found = optimal_policy(reference.expand_as(scores), scores, named(name)).exp()
        torch.testing.assert_close(found, torch.tensor(known["pi"], dtype=torch.float64), rtol=0, atol=1e-9)


def test_the_best_value_under_reverse_kl_is_a_logarithm_of_a_sum():
    opened, weights = world(), np.array([0.5, 0.2, 0.3])
    wanted = torch.tensordot(torch.as_tensor(weights), opened.true_rewards, dims=1)
    known = opened.beta * torch.logsumexp(opened.log_reference + wanted / opened.beta, dim=-1).mean()
    assert opened.best(weights).value == pytest.approx(float(known), abs=1e-12)


@pytest.mark.parametrize("kind", [np.int64, np.float32])
def test_weights_of_any_kind_of_number_are_the_same_weighting(kind):
    opened, weights = world(), np.array([1, 0, 0])
    for found in (opened.best, opened.reference):
        assert found(weights.astype(kind)).value == found(weights.astype(np.float64)).value


@pytest.mark.parametrize(("name", "alpha"), ALL)
def test_nothing_is_better_than_the_best(name, alpha):
    opened, weights = world(name, alpha), np.array([0.6, 0.1, 0.3])
    best, rng = opened.best(weights).value, np.random.default_rng(1)
    for _ in range(20):
        other = torch.log_softmax(torch.as_tensor(rng.standard_normal((2, 7))), dim=-1).numpy()
        assert opened.outcome(Response(other, None, 1.0), weights).value <= best + 1e-12
    assert opened.reference(weights).value <= best and opened.reference(weights).kl == 0


@pytest.mark.parametrize(("name", "alpha"), ALL)
def test_policies_that_are_optimal_imply_the_true_rewards(name, alpha):
    opened = world(name, alpha)
    pairs = opened.pairs(50, np.random.default_rng(0))
    np.testing.assert_allclose(opened.implicit_rewards(pairs), opened.rewards(pairs), rtol=0, atol=1e-9)


@pytest.mark.parametrize(("name", "alpha"), ALL)
def test_the_divergence_of_policies_that_give_something_up(name, alpha):
    found = divergence(name, alpha)
    reference, policy = torch.tensor([0.25, 0.5, 0.25]).log(), torch.tensor([0.5, 0.5, 0.0]).log()
    nearly = torch.tensor([0.5, 0.5 - 1e-13, 1e-13], dtype=torch.float64).log()
    given_up, almost = (
        float(mean_divergence(policy, reference, found)),
        float(mean_divergence(nearly, reference, found)),
    )
    assert given_up == np.inf if np.isinf(found.at_zero) else given_up == pytest.approx(almost, abs=1e-3)
    assert float(mean_divergence(reference, reference, found)) == pytest.approx(0, abs=1e-12)


def test_pairs_are_two_different_responses_as_the_reference_draws_them():
    opened = ExactSet(
        1.0, divergence("reverse_kl"), torch.tensor([[0.6, 0.3, 0.1]]).double().log(), torch.zeros(2, 1, 3)
    )
    pairs = opened.pairs(4000, np.random.default_rng(0))
    assert (pairs.first != pairs.second).all()
    np.testing.assert_allclose(np.bincount(pairs.first) / 4000, [0.6, 0.3, 0.1], atol=0.03)
    after = pairs.second[pairs.first == 0]
    np.testing.assert_allclose(np.bincount(after, minlength=3) / len(after), [0, 0.75, 0.25], atol=0.03)


def test_token_trees_come_apart_and_together():
    values = torch.log_softmax(
        torch.randn(2, 3, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(0)), -1
    )
    parts = conditionals(values, (2, 3, 4))
    assert [tuple(part.shape[-2:]) for part in parts] == [(1, 2), (2, 3), (6, 4)]
    for part in parts:
        torch.testing.assert_close(part.exp().sum(-1), torch.ones(part.shape[:-1], dtype=torch.float64))
    torch.testing.assert_close(joint(parts), values)
    never = values.clone()
    never[..., :12] = -torch.inf
    assert torch.isfinite(conditionals(never, (2, 3, 4))[1]).all()


def test_chances_and_regrets_worked_out_by_hand():
    uniform = torch.full((1, 4), 0.25, dtype=torch.float64).log()
    opened = ExactSet(0.5, divergence("reverse_kl"), uniform, torch.tensor(ASKED["rewards"]).double().unsqueeze(1))
    weights = np.array(ASKED["weights"])
    asked = Pairs(np.zeros(3, dtype=np.int64), *map(np.array, ASKED["questions"]))
    chance = 1 / (1 + np.exp(-weights @ opened.implicit_rewards(asked) / 0.5))
    np.testing.assert_allclose(chance, ASKED["probability"], rtol=0, atol=1e-9)
    best = opened.best(weights).value
    assert best - opened.reference(weights).value == pytest.approx(ASKED["regret_of_reference"], abs=1e-12)
    for guess, regret in ASKED["regret"].items():
        mixed = torch.tensordot(torch.tensor(guess).double(), opened.given.log_policies, dims=1)
        answer = Response(torch.log_softmax(mixed, -1).numpy(), None, 2.0)
        assert best - opened.outcome(answer, weights).value == pytest.approx(regret, abs=1e-12)


@pytest.mark.parametrize("objectives", [2, 3, 4])
def test_a_grid_of_weightings(objectives):
    grid = lattice(objectives, 5)
    assert np.allclose(grid.sum(axis=1), 1) and (grid >= 0).all() and len(np.unique(grid, axis=0)) == len(grid)
    assert grid[0].tolist() == [1, *[0] * (objectives - 1)] and {2: 5, 3: 15, 4: 35}[objectives] == len(grid)
    with pytest.raises(ValueError, match="2 points or more"):
        lattice(objectives, 1)


def test_the_nearest_weighting_is_no_farther_than_any_other():
    rng = np.random.default_rng(0)
    for _ in range(30):
        point = 2 * rng.standard_normal(4)
        found = nearest_weighting(point)
        assert found.sum() == pytest.approx(1) and (found >= 0).all()
        others = rng.dirichlet(np.ones(4), size=200)
        assert ((others - point) ** 2).sum(axis=1).min() >= ((found - point) ** 2).sum() - 1e-12


@pytest.mark.parametrize(("name", "alpha"), ALL)
def test_what_an_answer_is_worth(name, alpha):
    """Against a count by hand over three believed weightings and two questions."""
    given = world(name, alpha).given
    weights = torch.tensor([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.2, 0.3, 0.5]], dtype=torch.float64)
    shares = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    chances = torch.tensor([[0.9, 0.5], [0.2, 0.5], [0.4, 0.5]], dtype=torch.float64)

    def value(believed):
        mean = believed / believed.sum() @ weights
        wanted = torch.tensordot(mean, given.implied, dims=1)
        policy = optimal_policy(given.log_reference, wanted / given.beta, given.divergence)
        penalty = given.beta * mean_divergence(policy, given.log_reference, given.divergence)
        return ((policy.exp() * wanted).sum(-1) - penalty).mean(), (given.log_reference.exp() * wanted).sum(-1).mean()

    now, reference = value(shares)
    asked = chances[:, 0]
    yes = asked @ shares
    gain = yes * value(shares * asked)[0] + (1 - yes) * value(shares * (1 - asked))[0] - now
    found = expected_gain(weights, shares, chances, given)
    assert found == pytest.approx(float(gain / (now - reference)), abs=1e-9) and found > 0
    assert expected_gain(weights, shares, chances[:, 1:], given) == pytest.approx(0, abs=1e-9)
    torch.testing.assert_close(best_values(weights[:1], given)[0], value(torch.tensor([1.0, 0, 0]).double())[0])
