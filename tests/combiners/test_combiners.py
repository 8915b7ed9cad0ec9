"""What combiners answer, against known answers and each other. The conformance kit holds each to its contract."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from labelbench_plus.algorithms.decoding.divergences import divergence
from labelbench_plus.combiners import Listed, Policies, combiners
from labelbench_plus.decoding.exact_set import ExactSet
from labelbench_plus.decoding.families import Tables, TokenPolicies, TokenRewards, drawn_network, network_shapes
from labelbench_plus.decoding.listed_learner import ListedLearner, ListedParameters
from labelbench_plus.policy_sets import policy_sets
from labelbench_plus.problems import Place
from labelbench_plus.seeding import Streams
from labelbench_plus.view import CapabilityError

KNOWN = json.loads((Path(__file__).parents[1] / "algorithms" / "known_decoding.json").read_text())
HERE = Place(Path("unused"))


def opened(world, seed=0):
    return policy_sets.build(world).open(HERE, Streams(seed))


def respond(given, weights, combiner):
    built = combiners.build(combiner)
    return built.respond(given.policies(built.needs), np.array(weights), Streams(0))


def logs(values):
    return torch.tensor(values, dtype=torch.float64).log()


class TestMod:
    def test_optimal_policies_combine_to_the_optimum(self):
        for name, alpha in (("reverse_kl", None), ("jsd", None), ("alpha", 0.5), ("forward_kl", None)):
            world = opened({"name": "table", "divergence": name, "alpha": alpha})
            for weights in ([0.2, 0.3, 0.5], [2.0, -1.0, 0.0]):
                found = world.outcome(respond(world.given, weights, "mod"), np.array(weights))
                assert found.value == pytest.approx(world.best(np.array(weights)).value, abs=1e-10)

    def test_without_the_normaliser_it_is_not_optimal_but_for_reverse_kl(self):
        drop = {"name": "mod", "normaliser": "drop"}
        for name, same in (("reverse_kl", True), ("forward_kl", False), ("jsd", False)):
            world, weights = opened({"name": "table", "divergence": name}), np.array([0.2, 0.3, 0.5])
            lacks = world.best(weights).value - world.outcome(respond(world.given, weights, drop), weights).value
            assert (abs(lacks) < 1e-10) == same

    def test_tokens_are_the_known_ones_and_not_the_optimum_for_more_than_one(self):
        known = KNOWN["autoregressive"]
        world = ExactSet(
            known["beta"],
            divergence("reverse_kl"),
            logs([known["reference"]]),
            torch.tensor(known["rewards"]).double().unsqueeze(1),
            steps=(2, 2),
        )
        weights = np.array(known["weights"])
        tokens, whole = (respond(world.given, weights, {"name": "mod", "scope": s}) for s in ("token", "sequence"))
        np.testing.assert_allclose(np.exp(tokens.log_probabilities[0]), known["token_sampled"], rtol=0, atol=1e-9)
        np.testing.assert_allclose(np.exp(whole.log_probabilities[0]), known["exact"], rtol=0, atol=1e-9)
        assert world.outcome(tokens, weights).value == pytest.approx(known["J_token"], abs=1e-9)
        assert world.outcome(whole, weights).value == pytest.approx(known["J_star_logsumexp"], abs=1e-9)
        single = opened({"name": "token_world", "length": 1})
        one, same = (respond(single.given, weights, {"name": "mod", "scope": s}) for s in ("token", "sequence"))
        np.testing.assert_allclose(one.log_probabilities, same.log_probabilities, rtol=0, atol=1e-12)

    def test_only_policies_with_a_weight_are_run(self):
        world = opened("table")
        assert respond(world.given, [0.0, 1.0, 0.0], "mod").forwards == 1
        assert respond(world.given, [0.5, 0.5, 0.0], "mod").forwards == 2
        assert respond(opened({"name": "table", "divergence": "jsd"}).given, [0.5, 0.5, 0.0], "mod").forwards == 3
        drawn = respond(world.given, [0.0, 1.0, 0.0], "mod").log_probabilities
        np.testing.assert_allclose(drawn, world.given.log_policies[1].numpy(), rtol=0, atol=1e-12)

    def test_whole_responses_have_no_tokens(self):
        with pytest.raises(ValueError, match="'token' needs the probabilities of tokens"):
            respond(opened("response_bank").given, [0.5, 0.5], {"name": "mod", "scope": "token"})

    @pytest.mark.parametrize("name", ["total_variation", "chi2"])
    def test_what_has_no_barrier_is_refused_with_the_reason(self, name):
        for kind, plugin in ((combiners, "mod"), (policy_sets, "table"), (policy_sets, "token_world")):
            with pytest.raises(ValueError, match="stays finite where a ratio goes to 0"):
                kind.build({"name": plugin, "divergence": name})


def test_one_policy_at_other_strengths():
    known = KNOWN["one_policy_strength"]
    policies = ExactSet(
        1.0,
        divergence("reverse_kl"),
        logs([known["reference"]]),
        torch.zeros(1, 1, 3).double(),
        logs([[known["policy"]]]),
    ).given
    for strength, expected in known["lam"].items():
        found = respond(policies, [1.0], {"name": "strength", "strength": float(strength)})
        np.testing.assert_allclose(np.exp(found.log_probabilities[0]), expected, rtol=0, atol=1e-9)


class TestSoup:
    def test_it_is_not_the_policies_mixture_where_signs_are_free(self):
        known = KNOWN["sign_symmetry"]

        class Square:
            """Logits (t², 0, 0)."""

            def values(self, parameters):
                squared = torch.cat([parameters**2, torch.zeros(len(parameters), 2)], dim=1)
                return torch.log_softmax(squared, -1).unsqueeze(1)

        rows = torch.tensor([[1.2], [-1.2]], dtype=torch.float64)
        policies = Policies(
            frozenset({"parameters", "distributions", "reference"}),
            {
                "parameters": lambda: ListedParameters(Square(), rows, None),
                "distributions": lambda: Listed(Square().values(rows).numpy(), None),
            },
            count=2,
            beta=1.0,
            divergence=divergence("reverse_kl"),
        )
        for combiner in ("soup", "mod"):
            found = combiners.build(combiner).respond(policies, np.array([0.5, 0.5]), Streams(0))
            np.testing.assert_allclose(np.exp(found.log_probabilities[0]), known[combiner], rtol=0, atol=1e-9)

    def test_it_is_mod_where_only_a_last_linear_layer_differs(self):
        shapes, rng = network_shapes(2 * 3, 8, 3), np.random.default_rng(0)
        start = drawn_network(shapes, rng, last=1.0)
        moved = start.repeat(2, 1)
        last = 6 * 8 + 8
        moved[:, last:] += torch.as_tensor(rng.standard_normal(moved[:, last:].shape))
        family = TokenPolicies(3, 3, 8, start)
        learner = ListedLearner(
            family, TokenRewards(3, 3, 8), family.values(start[None])[0], 1.0, divergence("reverse_kl"), (3, 3, 3)
        )
        answers = []
        for combiner in ("soup", {"name": "mod", "scope": "token"}):
            built = combiners.build(combiner)
            shown = learner.provide(built.needs, list(moved), [], 1, Streams(0))
            answers.append(built.respond(shown, np.array([0.3, 0.7]), Streams(0)).log_probabilities)
        np.testing.assert_allclose(*answers, rtol=0, atol=1e-10)


def test_a_mixture_has_the_mean_of_the_rewards():
    world, weights = opened("table"), np.array([0.2, 0.3, 0.5])
    own = [world.outcome(respond(world.given, one, "mod"), weights).rewards for one in np.eye(3)]
    found = world.outcome(respond(world.given, weights, "mixture"), weights)
    np.testing.assert_allclose(found.rewards, weights @ own, rtol=0, atol=1e-12)
    for wrong in ([0.5, 0.6, -0.1], [0.5, 0.2, 0.2]):
        with pytest.raises(ValueError, match="shares that sum to 1"):
            respond(world.given, wrong, "mixture")


def test_the_best_single_policy_is_the_one_with_the_largest_value():
    world = opened("table")
    for weights in np.random.default_rng(0).dirichlet(np.ones(3), size=20):
        values = [world.outcome(respond(world.given, one, "mod"), weights).value for one in np.eye(3)]
        assert world.outcome(respond(world.given, weights, "best_single"), weights).value == pytest.approx(max(values))


def test_retraining_comes_to_the_optimum_of_the_rewards_it_was_given_and_is_counted():
    world = opened({"name": "table", "responses": 6})
    rewards = world.true_rewards / world.beta
    base = world.log_reference
    tables, estimates = Tables(base, True), Tables(torch.zeros_like(base), False)
    learner = ListedLearner(tables, estimates, base, world.beta, world.divergence, (6,))
    shown = learner.provide(
        frozenset({"rewards"}), [base.flatten()] * 3, [row.flatten() for row in rewards], 1500, Streams(0)
    )
    found = combiners.build("retrain").respond(shown, np.array([0.2, 0.3, 0.5]), Streams(0))
    lacks = world.best(np.array([0.2, 0.3, 0.5])).value - world.outcome(found, np.array([0.2, 0.3, 0.5])).value
    assert 0 <= lacks < 1e-4 and found.training_runs == 1 and found.forwards == 1


def test_what_is_not_declared_is_refused():
    policies = opened("table").given.policies(frozenset({"reference"}))
    with pytest.raises(
        CapabilityError, match=r"policies.distributions\(\) was read.*add 'distributions' to its `needs`"
    ):
        policies.distributions()
    with pytest.raises(CapabilityError, match="of these policies there are distributions, reference alone"):
        opened("table").given.policies(frozenset({"parameters"})).parameters()
