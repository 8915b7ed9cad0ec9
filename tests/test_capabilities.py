"""What a stranger's problem and trainer declare reaches a stranger's strategy, in real runs, here and apart."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from labelbench_plus import questions
from labelbench_plus.budget import Ledger
from labelbench_plus.contracts.capabilities import (
    HIDDEN,
    WELL_KNOWN,
    Capability,
    Needs,
    offered_by_problem,
    providers_of_model,
)
from labelbench_plus.isolation.cell import Cell, IsolationError
from labelbench_plus.loop import run as carry_on
from labelbench_plus.plugins import load_plugin_file, registry
from labelbench_plus.problems import Place
from labelbench_plus.seeding import Streams
from labelbench_plus.spec import RunSpec, incompatibilities
from labelbench_plus.steps import select_here
from labelbench_plus.store.manifest import manifest
from labelbench_plus.store.run_store import RunStore
from labelbench_plus.suite import SuiteError, load_suite
from labelbench_plus.testing.pool_scene import random_pool
from labelbench_plus.view import CapabilityError, ItemView, PoolView, View

FILE = Path(__file__).parent / "capabilities_under_test.py"
GEOMETRY = [
    *("k_center", "k_means_pp", "facility_location", "sparse_facility_location", "graph_cut", "log_det"),
    *("max_herding", "typiclust", "d_optimal", "a_optimal", "v_optimal", "g_optimal", "e_optimal"),
    *("relaxed_d_optimal", "random"),
]


@pytest.fixture(scope="module", autouse=True)
def family():
    kinds = [registry(kind) for kind in ("problems", "strategies", "trainers")]
    before = [dict(found._local) for found in kinds]
    load_plugin_file(FILE)
    yield
    for found, kept in zip(kinds, before, strict=True):
        for name in set(found._local) - set(kept):
            del found._local[name], found._classes[name]


def build(kind: str, name: str, **fields):
    return registry(kind).build({"name": name, **fields})


def spec_of(strategy: str, **changes) -> RunSpec:
    made = RunSpec(
        build("problems", "real_answers"),
        build("trainers", "bayes_line"),
        build("strategies", strategy),
        build("strategies", "random"),
        (6.0, 4.0, 4.0),
        0,
    )
    return replace(made, **changes)


def carry_out(spec: RunSpec, root: Path, select=select_here) -> list:
    store = RunStore(root, spec.id)
    place = Place(root / "cache")
    lease = store.open(spec, manifest(spec, "cpu"))
    carry_on(spec, store, lease, place, lambda record, costs: None, select)
    return store.rounds(), store.costs()


def test_own_capabilities_of_problem_and_trainer_reach_a_strategy_in_a_run(tmp_path):
    spec = spec_of("most_variance")
    assert incompatibilities(spec) == []
    rounds, costs = carry_out(spec, tmp_path)
    assert [len(record.purchase.items) for record in rounds] == [6, 4, 4]
    assert (rounds[1].purchase.items % 3 == 1).all()  # round 1 wants the south: the column is the items'
    assert costs[1]["strategy.noise"] == 0.1
    assert rounds[-1].scores["rmse"] < rounds[0].scores["rmse"] < 1.0


def test_in_a_process_of_its_own_it_picks_the_same(tmp_path):
    spec = spec_of("most_variance")
    here, _ = carry_out(spec, tmp_path / "here")
    with Cell([FILE]) as cell:
        apart, _ = carry_out(spec, tmp_path / "apart", cell.select)
    assert [record.purchase.as_json() for record in apart] == [record.purchase.as_json() for record in here]
    assert [record.scores for record in apart] == [record.scores for record in here]


@pytest.mark.parametrize("name", GEOMETRY)
def test_geometry_needs_no_classes(name, tmp_path):
    rounds, _ = carry_out(spec_of(name), tmp_path)
    assert len({*np.concatenate([record.purchase.items for record in rounds]).tolist()}) == 14


def test_one_that_needs_a_number_of_classes_is_refused_where_there_is_none():
    (reason,) = incompatibilities(spec_of("probcover"))
    assert reason == (
        "strategy 'probcover' needs num_classes; problem 'real_answers' offers features, region, trainer 'bayes_line' "
        "offers leverage, noise_level, predictions, variance"
    )


def test_a_mismatch_names_who_offers_what():
    (reason,) = incompatibilities(spec_of("wants_the_moon"))
    assert "needs moon; problem 'real_answers' offers features, region, trainer 'bayes_line' offers leverage" in reason
    (reason,) = incompatibilities(spec_of("most_variance", initial=None))
    assert "needs leverage, noise_level, variance; no model exists in the first round" in reason
    assert "(problem 'real_answers' offers features, region)" in reason


def test_what_both_offer_is_refused_until_the_problem_says_that_its_own_is_meant(monkeypatch):
    spec = spec_of("most_variance")
    monkeypatch.setattr(type(spec.problem), "provides", frozenset({"features", "region", "variance"}))
    (reason,) = incompatibilities(spec)
    assert "needs variance, which both problem 'real_answers' and trainer 'bayes_line' offer" in reason
    monkeypatch.setattr(type(spec.problem), "precedence", frozenset({"variance"}))
    assert incompatibilities(spec) == []


def test_the_truth_is_for_bounds_that_come_with_the_package(monkeypatch):
    spec = spec_of("wants_truth", initial=None)
    monkeypatch.setattr(type(spec.problem), "provides", frozenset({"features", "truth"}))
    (reason,) = incompatibilities(spec)
    assert "needs truth, which were not bought: only bounds that come with the package may" in reason
    entry = replace(registry("strategies").entries()["wants_truth"], origin="built in")
    monkeypatch.setitem(registry("strategies")._local, "wants_truth", entry)
    assert incompatibilities(spec) == []
    monkeypatch.setattr(type(spec.strategy), "knows_truth", False)
    assert len(incompatibilities(spec)) == 1
    view = View(frozenset({"truth"}), {"truth": ("truth", lambda: 1)})
    with Cell([FILE]) as cell, pytest.raises(IsolationError, match="is told truth and cannot be isolated"):
        cell.select(spec.strategy, view, 1, np.random.default_rng(0))
    assert {"truth"} == HIDDEN


def test_a_suite_that_isolates_one_that_is_told_the_truth_is_refused(suite_file, monkeypatch):
    monkeypatch.setattr(registry("strategies").load("margin"), "needs", frozenset({"probabilities", "truth"}))
    monkeypatch.setattr(registry("strategies").load("margin"), "knows_truth", True)
    monkeypatch.setattr(registry("problems").load("classification"), "provides", frozenset({"features", "truth"}))
    load_suite(suite_file())
    with pytest.raises(SuiteError, match=r"strategy 'margin' needs truth and cannot be isolated; remove `isolate`"):
        load_suite(suite_file(("suite: small", "suite: small\nisolate: process")))


def test_a_trainer_whose_model_lacks_what_it_declares_is_named():
    needs = Needs({"leverage", "predictions"}, build("trainers", "bayes_line"))
    view = View(needs, providers_of_model(needs, object(), lambda items: items, torch.arange(3), torch.arange(0)))
    with pytest.raises(TypeError, match="its trainer provides 'leverage', but object has no method of that name"):
        _ = view.leverage


def test_a_name_nobody_declares_is_served_where_the_model_has_such_a_method():
    class Model:
        def curvature(self, inputs):
            return 2.0 * inputs

    needs = frozenset({"curvature", "features"})
    view = View(needs, providers_of_model(needs, Model(), lambda items: items + 0.5, torch.arange(3), torch.arange(2)))
    assert view.curvature.tolist() == [1.0, 3.0, 5.0]
    assert view.labelled_curvature.tolist() == [1.0, 3.0]
    with pytest.raises(CapabilityError, match="neither the problem nor the trainer provides it"):
        _ = view.features


def test_what_the_trainer_does_not_offer_is_not_shown_of_its_model():
    """A model may have a method called as something else is: the problem's `features` are not what it makes of them."""

    class Model:
        def features(self, inputs):
            return torch.zeros(len(inputs))

        def leverage(self, inputs):
            return torch.ones(len(inputs))

    needs = Needs({"features", "leverage"}, build("trainers", "bayes_line"))
    assert "leverage" in needs.offered
    found = providers_of_model(needs, Model(), lambda items: items, torch.arange(3), torch.arange(0))
    assert set(found) == {"leverage", "labelled_leverage"}


def test_what_is_asked_with_nothing_is_a_copy_of_the_model_s_own():
    @dataclass
    class Model:
        kept: torch.Tensor

        def covariance(self):
            return self.kept

    class Declares:
        task, provides = "any", frozenset({"covariance"})
        declares = (Capability("covariance", "(d, d)", "with a model", "nothing", "the posterior's", "nothing"),)

    model = Model(torch.eye(2))
    needs = Needs({"covariance"}, Declares)
    view = View(needs, providers_of_model(needs, model, lambda items: items, torch.arange(3), torch.arange(2)))
    view.covariance.zero_()
    assert view.changed() == ["covariance"]
    assert torch.equal(model.kept, torch.eye(2))


def test_the_task_says_that_there_are_classes():
    digits = build("problems", "classification", dataset="digits", encoder="pixels")
    assert {"features", "labels", "num_classes"} <= set(offered_by_problem(digits))
    assert "labels" not in offered_by_problem(build("problems", "real_answers"))


def test_declarations_say_what_views_have():
    of_views = {
        name for kind in (ItemView, PoolView) for name, value in vars(kind).items() if isinstance(value, property)
    }
    assert of_views <= {attribute for capability in WELL_KNOWN.values() for attribute in capability.attributes}
    for capability in WELL_KNOWN.values():
        assert capability.shape and capability.doc and capability.cost


def test_sources_and_pairs_declare_what_their_views_have():
    for query in ("sources", "pairs"):
        problem = registry("problems").load(questions.of(query).problem)
        assert problem.provides <= {capability.name for capability in problem.declares}
    for name in registry("trainers").entries():
        cls = registry("trainers").load(name)
        known = {*WELL_KNOWN, *(capability.name for capability in cls.declares)}
        assert not isinstance(cls.provides, frozenset) or cls.provides <= known, name


def test_a_trainer_of_source_tasks_may_offer_something_of_its_own(monkeypatch):
    problem = build("problems", "synthetic_sources", heads="generic", dimension=12, rank=3, sources=8)
    trainer = build("trainers", "joint_linear")
    instance, ledger = problem.open(Place(Path()), Streams(0)), Ledger()
    first = build("strategies", "uniform_sources")
    view = instance.view(first.needs, ledger, None, 200.0)
    instance.oracle.answer(first.select(view, 200, None), 200.0, ledger)
    model = trainer.fit(instance.training_data(ledger, with_validation=False), Streams(0).round(0), None)
    monkeypatch.setattr(type(model), "objective_errors", lambda self: np.arange(8.0), raising=False)
    view = instance.view(frozenset({"objective_errors", "target_heads"}), ledger, model, 10.0)
    assert view.objective_errors.tolist() == list(range(8))
    with pytest.raises(ValueError, match="read-only"):
        view.objective_errors[0] = 1.0
    with pytest.raises(CapabilityError, match=r"view.source_heads was read"):
        _ = view.source_heads
    with pytest.raises(ValueError, match="read-only"):
        view.prices[0] = 0.0


def test_the_kit_s_made_up_views_hold_what_is_well_known():
    assert set(random_pool()) >= {"features", "labels", "probabilities", "token_uncertainty"}
