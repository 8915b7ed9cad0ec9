import gc
import types

import numpy as np
import pytest
import torch

from labelbench_plus.budget import Ledger
from labelbench_plus.plugins import registry
from labelbench_plus.problems import Place
from labelbench_plus.seeding import Streams
from labelbench_plus.view import CapabilityError


@pytest.fixture
def instance(tmp_path):
    problem = registry("problems").build({"name": "classification", "dataset": "digits", "encoder": "pixels"})
    return problem.open(Place(tmp_path), Streams(0))


def bought(instance, items):
    ledger = Ledger()
    instance.oracle.answer(np.array(items), float(len(items)), ledger)
    return ledger


def test_rows_belong_to_the_candidates(instance):
    view = instance.view(frozenset({"features"}), bought(instance, [7, 2]), None, 1.0)
    everything = instance.view(frozenset({"features"}), Ledger(), None, 1.0).features
    assert 7 not in view.candidates
    assert 2 not in view.candidates
    assert view.labelled.tolist() == [7, 2]
    assert torch.equal(view.features, everything[view.candidates])
    assert torch.equal(view.labelled_features, everything[[7, 2]])


def test_what_was_not_declared_is_refused_by_name(instance):
    view = instance.view(frozenset({"features"}), Ledger(), None, 1.0)
    with pytest.raises(CapabilityError, match=r"view.probabilities was read.*needs features; add 'probabilities'"):
        _ = view.probabilities
    with pytest.raises(CapabilityError, match=r"declares that it needs nothing; add 'features'"):
        _ = instance.view(frozenset(), Ledger(), None, 1.0).labelled_features


def test_nothing_is_computed_before_it_is_read(instance):
    class Model:
        calls = 0

        def probabilities(self, features):
            self.calls += 1
            return torch.full((len(features), 10), 0.1)

    model = Model()
    view = instance.view(frozenset({"probabilities"}), Ledger(), model, 1.0)
    assert model.calls == 0
    assert view.probabilities is view.probabilities
    assert model.calls == 1


def test_writing_to_a_view_reaches_nobody_else_and_is_noticed(instance):
    view = instance.view(frozenset({"features"}), Ledger(), None, 1.0)
    before = view.features.clone()
    view.features.zero_()
    assert view.changed() == ["features"]
    assert torch.equal(instance.view(frozenset({"features"}), Ledger(), None, 1.0).features, before)


def test_hidden_labels_and_test_data_cannot_be_reached_from_a_view(instance):
    ledger = bought(instance, [0, 1])
    model = (
        registry("trainers")
        .build("logistic_regression")
        .fit(instance.training_data(ledger, with_validation=False), None, None)
    )
    view = instance.view(frozenset({"features", "probabilities", "embeddings"}), ledger, model, 1.0)
    _ = view.features, view.probabilities, view.embeddings

    # Everything reachable through attributes, containers, closures and bound objects. Modules, classes and the
    # globals of functions lead anywhere in the process and are not ways a strategy takes by mistake.
    seen, waiting = {}, [view]
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, types.ModuleType | type):
            continue
        seen[id(thing)] = thing
        if isinstance(thing, types.FunctionType):
            waiting += [cell.cell_contents for cell in thing.__closure__ or ()]
        else:
            waiting += gc.get_referents(thing)
    reachable = [t.numpy() if isinstance(t, torch.Tensor) else t for t in seen.values()]
    lengths = {len(array) for array in reachable if isinstance(array, np.ndarray) and array.ndim}
    hidden = instance.oracle._PoolOracle__labels
    assert id(instance.oracle) not in seen
    assert not any(
        array.shape == hidden.shape and np.array_equal(array, hidden)
        for array in reachable
        if isinstance(array, np.ndarray)
    )
    assert len(instance._test.labels) not in lengths
    assert len(instance._validation.labels) not in lengths


def test_a_trainer_sees_bought_labels_only_and_validation_only_if_declared(instance):
    data = instance.training_data(bought(instance, [4, 9]), with_validation=False)
    assert len(data.labelled.labels) == 2
    assert data.validation is None
    assert instance.training_data(Ledger(), with_validation=True).validation is not None
