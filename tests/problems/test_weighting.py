"""A hidden weighting: what is shown, what is sold, what is scored, and whether asking well pays."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import ttest_rel

from labelbench_plus.budget import Ledger
from labelbench_plus.contracts.capabilities import Needs
from labelbench_plus.oracle import QueryError
from labelbench_plus.plugins import registry
from labelbench_plus.problems import Place
from labelbench_plus.seeding import Streams
from labelbench_plus.spec import RunSpec, incompatibilities

HERE = Place(Path("unused"))


def build(kind, value):
    return registry(kind).build(value)


def opened(seed=0, **changes):
    return build("problems", {"name": "weighting", "policies": "table", **changes}).open(HERE, Streams(seed))


def features(instance):
    return instance.view(frozenset({"features"}), Ledger(), None, 1.0).features


def curve(strategy, seed, rounds=8, trainer=None, **changes):
    """Scores after three answers, six, …; the first three are random."""
    streams, instance, ledger, model, scores = Streams(seed), opened(seed, **changes), Ledger(), None, []
    fitter = build("trainers", trainer or {"name": "weight_posterior", "particles": 500, "price": 9.0})
    for number in range(rounds):
        chooser = build("strategies", strategy if number else "random")
        view = instance.view(Needs(chooser.needs, fitter), ledger, model, 3.0)
        query = chooser.select(view, 3, streams.round(number).rng("strategy" if number else "initial"))
        instance.oracle.answer(query, 3.0, ledger)
        data = instance.training_data(ledger, with_validation=False)
        model = fitter.fit(data, streams.round(number), None)
        scores.append(instance.evaluate(model))
    return scores


class TestWhatIsShown:
    def test_features_are_the_true_differences_of_reward_and_say_nothing_of_the_user(self):
        world = build("policy_sets", "table").open(HERE, Streams(0))
        instance = opened()
        np.testing.assert_allclose(features(instance).T, world.rewards(instance_pairs()), rtol=0, atol=1e-9)
        assert torch.equal(features(instance), features(opened(seed=1)))
        assert not torch.equal(features(instance), features(opened(world_seed=1)))

    def test_no_question_is_there_twice_nor_turned_round(self):
        shown = features(opened()).numpy()
        turned = np.where(shown[:, :1] < 0, -shown, shown)
        assert len(np.unique(turned.round(9), axis=0)) == 300

    def test_more_questions_than_the_reference_can_ask_are_refused(self):
        with pytest.raises(ValueError, match="the reference gives 3 different pairs"):
            opened(policies={"name": "table", "responses": 3}, pairs=20)


def instance_pairs():
    from labelbench_plus.problems.weighting import _questions

    world = Streams(0)
    return _questions(build("policy_sets", "table").open(HERE, world), 300, world.rng("questions"))


class TestWhatIsSold:
    def test_a_user_answers_by_their_own_weights_and_otherwise_than_another(self):
        instance, ledger = opened(temperature=1e-6), Ledger()
        instance.oracle.answer(np.arange(300), 300.0, ledger)
        prefers = features(instance).numpy() @ instance._user
        assert (ledger.answers == (prefers > 0)).all()
        other = Ledger()
        opened(1, temperature=1e-6).oracle.answer(np.arange(300), 300.0, other)
        assert (other.answers != ledger.answers).any()

    def test_answers_are_as_noisy_as_the_temperature_says(self):
        rates = []
        for seed in range(20):
            instance, ledger = opened(seed), Ledger()
            instance.oracle.answer(np.arange(300), 300.0, ledger)
            chance = 1 / (1 + np.exp(-features(instance).numpy() @ instance._user / 0.5))
            rates.append((ledger.answers - chance).mean())
        assert abs(np.mean(rates)) < 3 * 0.5 / np.sqrt(20 * 300)

    def test_more_than_the_budget_is_refused(self):
        instance, ledger = opened(), Ledger()
        with pytest.raises(QueryError, match="expected 3 items, got 4"):
            instance.oracle.answer(np.arange(4), 3.0, ledger)
        assert not ledger.purchases

    def test_an_unknown_objective_changes_answers_and_no_feature(self):
        plain, odd = opened(temperature=1e-6), opened(temperature=1e-6, unknown=0.5)
        assert torch.equal(features(plain), features(odd))
        bought = [Ledger(), Ledger()]
        for instance, ledger in zip((plain, odd), bought, strict=True):
            instance.oracle.answer(np.arange(300), 300.0, ledger)
        differ = (bought[0].answers != bought[1].answers).mean()
        assert 0.05 < differ < 0.5


class Knows:
    """A model that answers for weights it was told."""

    def __init__(self, instance, weights):
        self.weights, self.stop, self.given = np.array(weights), None, instance._opened.given

    def respond(self, weights):
        mod = build("combiners", "mod")
        return mod.respond(self.given.policies(mod.needs), weights, Streams(0))


class TestWhatIsScored:
    def test_whoever_knows_the_weights_regrets_nothing(self):
        instance = opened()
        scores = instance.evaluate(Knows(instance, instance._user))
        assert abs(scores["regret"]) < 1e-12 and scores["weight_error"] == 0

    def test_nobody_does_better_than_the_best(self):
        instance = opened()
        for weights in np.random.default_rng(0).dirichlet(np.ones(3), size=30):
            scores = instance.evaluate(Knows(instance, weights))
            assert scores["regret"] >= -1e-12
            assert (scores["regret"] > 0.01) <= (scores["weight_error"] > 0.01)

    def test_facets_tell_users_apart(self):
        problem = build("problems", {"name": "weighting", "policies": "table", "told": 1.0, "unknown": 0.25})
        assert problem.facets() == {"user": "temperature 0.5, told 1, 0.25 of the weights unknown"}
        assert problem.dataset_name() == "table"


def test_combiners_that_read_what_a_world_has_not_are_refused_before_any_work():
    problem = build("problems", {"name": "weighting", "policies": "table"})
    trainer = build("trainers", {"name": "weight_posterior", "combiner": "soup"})
    spec = RunSpec(problem, trainer, build("strategies", "random"), None, (3.0,), 0)
    (reason,) = incompatibilities(spec)
    assert "reads or augments policy parameters, which problem 'weighting' does not have" in reason
    assert "it has policy distributions, policy reference" in reason


class TestTrainers:
    def test_a_posterior_is_bayes_rule_over_its_particles(self):
        instance, ledger = opened(), Ledger()
        instance.oracle.answer(np.arange(12), 12.0, ledger)
        data = instance.training_data(ledger, with_validation=False)
        model = build("trainers", {"name": "weight_posterior", "particles": 400}).fit(data, Streams(3).round(0), None)
        weights = Streams(3).rng("model_init").dirichlet(np.ones(3), size=400)
        chance = 1 / (1 + np.exp(-weights @ features(instance).numpy()[:12].T / 0.5))
        likely = np.where(ledger.answers == 1, chance, 1 - chance).prod(axis=1)
        np.testing.assert_allclose(model.weights, likely @ weights / likely.sum(), rtol=0, atol=1e-9)
        members = model.member_probabilities(features(instance)[:12])
        assert members.shape == (64, 12, 2)
        np.testing.assert_allclose(members.mean(0), model.probabilities(features(instance)[:12]), atol=0.05)

    def test_a_temperature_can_be_fitted(self):
        errors = {"told": [], "fit": []}
        for seed in range(4):
            instance, ledger = opened(seed, told=2.0), Ledger()  # the user's is 0.5
            instance.oracle.answer(np.arange(40), 40.0, ledger)
            data = instance.training_data(ledger, with_validation=False)
            for how, found in errors.items():
                trainer = build("trainers", {"name": "weight_posterior", "temperature": how})
                weights = trainer.fit(data, Streams(seed).round(0), None).weights
                found.append(np.abs(weights - instance._user).sum())
        assert np.mean(errors["fit"]) < 0.8 * np.mean(errors["told"])

    def test_logistic_regression_finds_the_weights_from_many_answers(self):
        instance, ledger = opened(), Ledger()
        instance.oracle.answer(np.arange(300), 300.0, ledger)
        data = instance.training_data(ledger, with_validation=False)
        model = build("trainers", "weight_logistic").fit(data, Streams(0).round(0), None)
        assert np.abs(model.weights - instance._user).sum() < 0.25
        assert model.weights.sum() == pytest.approx(1) and (model.weights >= 0).all()

    def test_six_objectives_are_for_logistic_regression(self):
        world = {"policies": {"name": "table", "objectives_count": 6}}
        instance = opened(**world)
        data = instance.training_data(Ledger(), with_validation=False)
        with pytest.raises(ValueError, match="use weight_logistic"):
            build("trainers", "weight_posterior").fit(data, Streams(0).round(0), None)
        model = build("trainers", "weight_logistic").fit(data, Streams(0).round(0), None)
        np.testing.assert_allclose(model.weights, np.full(6, 1 / 6))

    def test_the_stop_is_the_first_round_whose_best_question_is_worth_less_than_the_price(self):
        ends = {price: curve("bald", 0, 6, {"name": "weight_posterior", "price": price}) for price in (1e-9, 0.02, 9.0)}
        assert [scores["stop_answers"] for scores in ends[1e-9]] == [3, 6, 9, 12, 15, 18]  # it never stops
        assert [scores["stop_answers"] for scores in ends[9.0]] == [3] * 6
        stops = [scores["stop_answers"] for scores in ends[0.02]]
        assert stops == [min(answers, stops[-1]) for answers in (3, 6, 9, 12, 15, 18)]
        at = int(stops[-1]) // 3 - 1
        assert ends[0.02][-1]["stop_relative_regret"] == ends[0.02][at]["relative_regret"]


@pytest.mark.slow
def test_asking_well_beats_asking_at_random_over_thirty_users():
    area = {
        strategy: [np.mean([scores["relative_regret"] for scores in curve(strategy, seed)]) for seed in range(30)]
        for strategy in ("random", "bald", "d_optimal")
    }
    for strategy in ("bald", "d_optimal"):
        assert ttest_rel(area["random"], area[strategy], alternative="greater").pvalue < 0.05
