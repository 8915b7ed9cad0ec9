"""Objectives as sources: bits that nobody's purchases move, fronts that add up, and what few bits do."""

from pathlib import Path

import numpy as np
import pytest

from labelbench_plus.budget import Ledger
from labelbench_plus.combiners import Response
from labelbench_plus.contracts.scores import split_point
from labelbench_plus.plugins import registry
from labelbench_plus.problems import Place
from labelbench_plus.seeding import Streams
from labelbench_plus.source_tasks.allocation import Allocation
from labelbench_plus.spec import RunSpec, incompatibilities

HERE = Place(Path("unused"))
SMALL = {"name": "token_world", "vocabulary": 3, "length": 2, "hidden": 4}


def build(kind, value):
    return registry(kind).build(value)


def opened(seed=0, **changes):
    return build("problems", {"name": "objectives", "policies": SMALL, "grid": 3, **changes}).open(HERE, Streams(seed))


def bought(instance, *portions):
    ledger = Ledger()
    for counts in portions:
        instance.oracle.answer(Allocation.of_counts(np.array(counts)), float(sum(counts)), ledger)
    return instance.training_data(ledger, with_validation=False).bits


def same(left, right):
    return np.array_equal(left.first_won, right.first_won) and all(
        np.array_equal(getattr(left.pairs, part), getattr(right.pairs, part)) for part in ("prompts", "first", "second")
    )


def scores(bits, trainer, seed=0, **changes):
    """After one round of so many bits of each objective."""
    instance, ledger = opened(seed, **changes), Ledger()
    instance.oracle.answer(Allocation.of_counts(np.array([bits, bits])), 2.0 * bits, ledger)
    fitter = build("trainers", {"name": "preference_policies", **trainer})
    model = fitter.fit(instance.training_data(ledger, with_validation=False), Streams(seed).round(0), None)
    return instance.evaluate(model)


class TestBits:
    def test_they_do_not_depend_on_what_else_was_bought_nor_on_portions(self):
        whole = bought(opened(), [100, 40])
        parts = bought(opened(), [30, 0], [0, 40], [70, 0])
        alone = bought(opened(), [100, 0])
        assert same(whole[0], parts[0]) and same(whole[1], parts[1]) and same(whole[0], alone[0])
        assert len(alone[1].pairs) == 0
        assert not same(whole[0], bought(opened(seed=1), [100, 40])[0])
        assert not np.array_equal(whole[0].pairs.first[:40], whole[1].pairs.first)

    def test_they_are_as_clear_as_sharpness_says(self):
        for sharpness in ([0.5], [3.0, 0.5]):
            instance = opened(sharpness=sharpness)
            for number, bits in enumerate(bought(instance, [3000, 3000])):
                clear = sharpness[number % len(sharpness)]
                chance = 1 / (1 + np.exp(-clear * instance._opened.rewards(bits.pairs)[number] / 0.25))
                assert abs((bits.first_won - chance).mean()) < 3 * 0.5 / np.sqrt(3000)

    def test_they_have_prices(self):
        instance, ledger = opened(prices=[1.0, 4.0], opening=[0.0, 10.0]), Ledger()
        instance.oracle.answer(Allocation.of_counts(np.array([10, 5])), 40.0, ledger)
        assert ledger.spent == 40.0
        problem = build("problems", {"name": "objectives", "policies": SMALL, "prices": [1.0, 4.0], "opening": [0, 10]})
        assert problem.max_price() == 14.0
        with pytest.raises(ValueError, match="prices: expected none or 2, one an objective, got 3"):
            build("problems", {"name": "objectives", "policies": SMALL, "prices": [1.0, 2.0, 3.0]})

    def test_those_nobody_bought_change_nothing(self):
        """Two instances that differ in bits after the first fifty of each objective learn the same from those."""
        instance, other, results = opened(), opened(), []
        draw = other.oracle._SourceOracle__draw

        def turned(source, first, blocks):
            inputs, labels = draw(source, first, blocks)
            late = np.arange(len(labels)) + first * 64 >= 50
            return inputs, np.where(late, 1 - labels, labels)

        other.oracle._SourceOracle__draw = turned
        trainer = build("trainers", {"name": "preference_policies", "penalties": [0.03, 0.3], "folds": 2, "steps": 20})
        for each in (instance, other):
            ledger = Ledger()
            each.oracle.answer(Allocation.of_counts(np.array([50, 50])), 100.0, ledger)
            model = trainer.fit(each.training_data(ledger, with_validation=False), Streams(0).round(0), None)
            results.append(each.evaluate(model))
        assert results[0] == results[1]


class Best:
    """A model that answers as well as can be."""

    training_runs = 0

    def __init__(self, instance):
        self.instance = instance

    def respond(self, weights):
        mod = build("combiners", "mod")
        return mod.respond(self.instance._opened.given.policies(mod.needs), weights, Streams(0))


class TestScores:
    def test_the_best_front_has_no_regret_and_the_whole_hypervolume(self):
        for policies in (SMALL, {"name": "table", "responses": 8}):
            found = opened(policies=policies)
            best = found.evaluate(Best(found))
            assert abs(best["regret"]) < 1e-10 and best["hypervolume_share"] == pytest.approx(1)

    def test_the_reference_has_no_divergence_and_regrets_everything(self):
        found = scores(0, {"combiner": "reference"})
        assert found["kl"] == 0 and found["relative_regret"] == pytest.approx(1)
        assert found["training_runs"] == 0 and found["forwards_per_token"] == 1

    def test_a_series_has_all_its_columns_and_agrees_with_the_means(self):
        problem = build("problems", {"name": "objectives", "policies": SMALL, "grid": 3, "signed": True})
        found = scores(40, {"penalties": [0.1], "steps": 10}, signed=True)
        front, signed = problem.series()
        assert front.at == ("1:0", "0.5:0.5", "0:1") and signed.at == ("1.5:-0.5", "-0.5:1.5")
        assert {*front.scores(), *signed.scores()} == {name for name in found if split_point(name)}
        of = [front.score("regret", at) for at in front.at]
        assert found["regret"] == pytest.approx(np.mean([found[name] for name in of]))
        assert found["inner_regret"] == found["front.regret@0.5:0.5"]
        for at in (*front.at, *signed.at):
            series = front if at in front.at else signed
            values = {given: found[series.score("value", at, given)] for given in (None, "reference", "best")}
            assert values["best"] >= max(values.values()) - 1e-12

    def test_only_one_weighting_of_each_objective_has_no_inner_regret(self):
        assert "inner_regret" not in scores(0, {"combiner": "reference"}, grid=2)

    def test_three_objectives_and_four(self):
        three = scores_of_three(3)
        assert "hypervolume_share" in three and "front.value@0.5:0.5:0" in three
        assert "hypervolume_share" not in scores_of_three(4)

    def test_retraining_counts_its_runs(self):
        few = {"penalties": [0.1], "steps": 3}
        assert scores(20, {**few, "combiner": "retrain"})["training_runs"] == 2 + 3
        assert scores(20, {**few, "combiner": "mod"})["training_runs"] == 2
        assert scores(20, {**few, "combiner": "soup"})["training_runs"] == 2


def scores_of_three(count):
    instance = opened(policies={**SMALL, "objectives_count": count})
    reference = build("combiners", "reference")

    class Model:
        training_runs = 0

        def respond(self, weights) -> Response:
            return reference.respond(instance._opened.given.policies(reference.needs), weights, Streams(0))

    return instance.evaluate(Model())


class TestFewBits:
    def test_a_penalty_that_is_fixed_makes_policies_worse_than_the_reference_and_a_chosen_one_does_not(self):
        world = {"policies": "token_world", "grid": 5}
        fixed, chosen, stay = (
            np.mean([scores(30, {"combiner": combiner, **more}, seed, **world)["regret"] for seed in range(5)])
            for combiner, more in (("mod", {"penalties": [0.001]}), ("mod", {}), ("reference", {}))
        )
        assert fixed > stay + 0.05
        assert chosen < stay + 0.02

    def test_of_no_bits_the_reference_is_learned(self):
        assert scores(1, {})["relative_regret"] == pytest.approx(1)


def test_retraining_is_no_worse_than_decoding_where_bits_are_many():
    world, trainer = {"policies": "token_world", "grid": 5}, {"penalties": [0.02]}
    mod, retrained = (
        np.mean([scores(1920, {**trainer, "combiner": combiner}, seed, **world)["regret"] for seed in range(5)])
        for combiner in ("mod", "retrain")
    )
    assert retrained <= mod


def test_a_single_penalty_is_cross_validated_only_where_somebody_asks_what_held_out_bits_cost(monkeypatch):
    instance, ledger = opened(), Ledger()
    instance.oracle.answer(Allocation.of_counts(np.array([60, 60])), 120.0, ledger)
    data = instance.training_data(ledger, with_validation=False)
    learned, policies = [], type(data.learner).policies

    def counted(learner, fits, steps, streams):
        learned.append(len([fit for fit in fits if np.isfinite(fit.penalty)]))
        return policies(learner, fits, steps, streams)

    monkeypatch.setattr(type(data.learner), "policies", counted)

    def errors(penalties):
        learned.clear()
        trainer = build("trainers", {"name": "preference_policies", "penalties": penalties, "folds": 2, "steps": 10})
        return trainer.fit(data, Streams(0).round(0), None).objective_errors

    asked = errors([0.1])
    assert learned == [0, 2]  # one an objective
    costs = asked()
    assert learned == [0, 2, 4] and (costs < np.log(2)).all()  # and once a fold
    assert np.array_equal(asked(), costs) and len(learned) == 3
    several = errors([0.1, 1e6])
    assert learned == [0, 8, 2] and np.array_equal(several(), costs) and len(learned) == 3


class TestAllocation:
    def test_more_bits_go_to_the_objective_that_is_predicted_badly(self):
        instance = opened(sharpness=[4.0, 0.2])
        ledger, trainer = (
            Ledger(),
            build("trainers", {"name": "preference_policies", "penalties": [0.03, 0.3], "steps": 40}),
        )
        instance.oracle.answer(Allocation.of_counts(np.array([300, 300])), 600.0, ledger)
        model = trainer.fit(instance.training_data(ledger, with_validation=False), Streams(0).round(0), None)
        errors = model.objective_errors()
        assert errors[0] < errors[1] <= np.log(2) + 1e-9
        chooser = build("strategies", "objective_uncertainty")
        view = instance.view(chooser.needs, ledger, model, 1400.0)
        query = chooser.select(view, 1400, np.random.default_rng(0))
        total = np.array([300, 300]) + np.bincount(query.sources, query.counts, minlength=2)
        assert total[1] / total[0] == pytest.approx(errors[1] / errors[0], rel=0.02)

    def test_what_needs_heads_is_refused_with_the_reason(self):
        problem, trainer = (
            build("problems", {"name": "objectives", "policies": SMALL}),
            build("trainers", "preference_policies"),
        )
        even, aware = build("strategies", "uniform_sources"), build("strategies", "target_aware")
        reasons = incompatibilities(RunSpec(problem, trainer, aware, even, (100.0, 100.0), 0))
        assert any("strategy 'target_aware' needs" in reason for reason in reasons)
        assert not incompatibilities(RunSpec(problem, trainer, even, even, (100.0, 100.0), 0))


def test_a_bank_cannot_be_learned_on():
    with pytest.raises(
        ValueError, match="nothing can be learned on 'response_bank'; the problem 'weighting' can use it"
    ):
        opened(policies="response_bank")
