"""Generated worlds: the same for a seed, of the sizes they say, and learned on from the reference."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from labelbench_plus.combiners import Response
from labelbench_plus.policy_sets import Bits, Fit, policy_sets
from labelbench_plus.problems import Place
from labelbench_plus.seeding import Streams

HERE = Place(Path("unused"))
TABLE = {"name": "table", "responses": 9}
TOKENS = {"name": "token_world", "vocabulary": 3, "length": 3, "hidden": 5}
BOTH = pytest.mark.parametrize("world", [TABLE, TOKENS], ids=lambda world: world["name"])


def opened(world, seed=0):
    return policy_sets.build(world).open(HERE, Streams(seed))


@BOTH
def test_a_world_is_its_seed(world):
    one, same, other = opened(world), opened(world), opened(world, 1)
    assert torch.equal(one.true_rewards, same.true_rewards) and torch.equal(one.log_reference, same.log_reference)
    assert not torch.equal(one.true_rewards, other.true_rewards)
    assert one.true_rewards.shape == (len(policy_sets.build(world).objectives()), *one.log_reference.shape)
    torch.testing.assert_close(one.log_reference.exp().sum(-1), torch.ones(1, dtype=torch.float64))


def test_token_rewards_have_the_spread_they_say_under_the_reference():
    world = opened({**TOKENS, "spread": 0.7})
    mass = world.log_reference.exp()
    mean = (mass * world.true_rewards).sum(-1, keepdim=True)
    torch.testing.assert_close(mean, torch.zeros_like(mean))
    spread = (mass * (world.true_rewards - mean) ** 2).sum(-1).sqrt()
    torch.testing.assert_close(spread, torch.full_like(spread, 0.7))


def test_a_world_that_cannot_be_listed_is_refused():
    with pytest.raises(ValueError, match="more than 20000 sequences"):
        policy_sets.build({"name": "token_world", "vocabulary": 30, "length": 4})


@BOTH
def test_a_policy_starts_at_the_reference_and_learns_what_is_preferred(world):
    set_of, streams = opened(world), Streams(0)
    learner, pairs = set_of.learner(), set_of.pairs(400, np.random.default_rng(0))
    bits = Bits(pairs, set_of.rewards(pairs)[0] > 0)
    stayed, learned = learner.policies([Fit(bits, math.inf), Fit(bits, 0.1)], 60, streams)
    nothing, much = learner.differences([stayed, learned], [pairs, pairs], of="policies")
    np.testing.assert_allclose(nothing, 0, atol=1e-12)
    assert ((much > 0) == bits.first_won).mean() > 0.8
    (reward,) = learner.rewards([Fit(bits, 0.01)], 60, streams)
    (differs,) = learner.differences([reward], [pairs], of="rewards")
    assert ((differs > 0) == bits.first_won).mean() > 0.8


@BOTH
def test_what_is_learned_side_by_side_is_learned_alone(world):
    set_of, streams, rng = opened(world), Streams(0), np.random.default_rng(0)
    learner = set_of.learner()
    both = [set_of.pairs(count, rng) for count in (30, 90)]
    fits = [Fit(Bits(pairs, rng.random(len(pairs)) < 0.5), 0.1, 2.0) for pairs in both]
    together = learner.policies(fits, 20, streams)
    for fit, found in zip(fits, together, strict=True):
        (alone,) = learner.policies([fit], 20, streams)
        torch.testing.assert_close(found, alone, rtol=0, atol=1e-9)


def test_the_loss_is_the_one_that_is_written_down():
    """The optimum of a table with two responses, of which one won all bits: by a search over the one log-ratio."""
    set_of = opened({"name": "table", "responses": 2})
    learner = set_of.learner()
    base = learner.log_reference[0]
    pairs = set_of.pairs(10, np.random.default_rng(0))
    bits = Bits(pairs, pairs.first == 0)  # response 0 wins always
    (found,) = learner.policies([Fit(bits, 0.5, 1.5)], 1000, Streams(0))
    log_policy = learner.policy_family.values(found[None])[0, 0]

    def loss(first):
        policy = torch.stack([torch.log(first), torch.log1p(-first)])
        ratio = policy - base
        held = (base.exp() * (base - policy)).sum()
        return torch.nn.functional.softplus(-1.5 * (ratio[0] - ratio[1])) + 0.5 * held

    grid = torch.linspace(0.01, 0.99, 9801, dtype=torch.float64)
    best = grid[torch.stack([loss(first) for first in grid]).argmin()]
    assert float(log_policy[0].exp()) == pytest.approx(float(best), abs=1e-3)


def test_samples_are_refused_where_all_is_listed():
    with pytest.raises(ValueError, match="expected a distribution over them, got samples"):
        opened(TABLE).outcome(Response(None, None, 1.0), np.array([1.0, 0, 0]))
