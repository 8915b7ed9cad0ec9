import gc

import numpy as np
import pytest

from labelbench_plus.algorithms.relevance import lasso_relevance
from labelbench_plus.budget import Ledger
from labelbench_plus.seeding import Streams
from labelbench_plus.source_tasks.allocation import Allocation
from labelbench_plus.source_tasks.data import fit_heads
from labelbench_plus.source_tasks.instance import whitening
from labelbench_plus.view import CapabilityError
from tests.source_tasks.simulate import HERE, build


@pytest.fixture(scope="module")
def opened():
    """A problem, a ledger with some labels of all sources but one, and the model of them."""
    problem = build("problems", {"name": "synthetic_sources", "heads": "generic", "sources": 12, "dimension": 10})
    instance, ledger = problem.open(HERE, Streams(1)), Ledger()
    instance.oracle.answer(Allocation(np.arange(11), np.full(11, 40)), 440.0, ledger)
    model = build("trainers", "joint_linear").fit(instance.training_data(ledger, with_validation=False), None, None)
    return instance, ledger, model


def test_a_view_shows_what_was_asked_for_and_nothing_else(opened):
    instance, ledger, model = opened
    view = instance.view(frozenset({"source_heads", "target_heads"}), ledger, model, 100.0)
    assert view.source_heads.shape == (5, 12)
    assert not view.source_heads[:, 11].any()
    assert view.bought.tolist() == [40] * 11 + [0]
    assert np.isinf(view.remaining).all()
    with pytest.raises(CapabilityError, match="add 'true_heads' to its `needs`"):
        _ = view.true_source_heads
    with pytest.raises(ValueError, match="read-only"):
        view.source_heads[0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        view.prices[:] = 0
    assert instance.oracle.terms(ledger)[0].tolist() == [1.0] * 12
    told = instance.view(frozenset({"true_heads"}), ledger, None, 100.0)
    assert np.allclose(np.linalg.norm(told.true_source_heads, axis=0), 1)


def test_heads_are_written_so_that_lengths_are_risks(opened):
    instance, ledger, model = opened
    view = instance.view(frozenset({"source_heads", "target_heads"}), ledger, model, 100.0)
    inputs = instance.targets[0].inputs
    predicted = model.representation(inputs) @ (model.task_map[:, 3] - model.target_heads[:, 0])
    risk = float((predicted**2).mean())
    assert np.isclose(((view.source_heads[:, 3] - view.target_heads[:, 0]) ** 2).sum(), risk)


def test_the_lasso_allocation_does_not_depend_on_the_gauge(opened):
    instance, _, model = opened
    phi = model.representation(instance.targets[0].inputs)
    gauge = np.random.default_rng(0).normal(size=(5, 5))

    def relevance(features, heads, target):
        white = whitening(features)
        return lasso_relevance(white @ heads, white @ target, 0.05)

    plain = relevance(phi, model.task_map, model.target_heads[:, 0])
    turned = relevance(phi @ np.linalg.inv(gauge), gauge @ model.task_map, gauge @ model.target_heads[:, 0])
    assert plain.any()
    assert np.abs(plain - turned).max() < 1e-6
    raw = lasso_relevance(gauge @ model.task_map, gauge @ model.target_heads[:, 0], 0.05)
    assert np.abs(raw - plain).max() > 1e-3  # without whitening it does


def reachable(start, forbidden) -> list[object]:
    """Objects that closures, attributes and containers lead to from `start`, as far as ours and NumPy's go."""
    seen, todo, hits = set(), [start], []
    while todo:
        thing = todo.pop()
        if id(thing) in seen or isinstance(thing, type) or type(thing).__module__ in ("builtins.module",):
            continue
        seen.add(id(thing))
        if any(thing is other for other in forbidden):
            hits.append(thing)
        if isinstance(thing, dict | list | tuple | set | np.ndarray) or hasattr(thing, "__closure__"):
            inside = getattr(thing, "__closure__", None) or gc.get_referents(thing)
            todo += [item for item in inside if type(item).__name__ not in ("module", "type")]
        elif type(thing).__module__.startswith("labelbench_plus") or type(thing).__name__ in ("cell", "partial"):
            todo += gc.get_referents(thing)
    return hits


def test_no_strategy_or_trainer_reaches_unbought_labels_or_test_data(opened):
    instance, ledger, model = opened
    view = instance.view(frozenset({"source_heads", "target_heads", "task_map"}), ledger, model, 100.0)
    _ = view.source_heads, view.task_map
    data = instance.training_data(ledger, with_validation=False)
    hidden = [instance.oracle, instance.score, *[cell.cell_contents for cell in instance.score.__closure__]]
    assert reachable(instance, hidden)  # the search does find them where they are
    assert reachable(view, hidden) == []
    assert reachable(data, hidden) == []


def test_heads_of_targets_are_least_squares():
    rng = np.random.default_rng(0)
    phi, truth = rng.normal(size=(200, 3)), rng.normal(size=3)
    labels = phi @ truth + 0.1 * rng.normal(size=200)
    heads, variance = fit_heads([phi], [labels])
    assert np.allclose(heads[:, 0], np.linalg.lstsq(phi, labels)[0])
    assert np.isclose(variance[0], 0.01, rtol=0.3)
    shrunk, _ = fit_heads([phi], [labels], ridge=1e6)
    assert np.linalg.norm(shrunk) < 0.01
