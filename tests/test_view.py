import copy
import gc
import types

import numpy as np
import pytest
import torch

from labelbench_plus.budget import Ledger
from labelbench_plus.plugins import registry
from labelbench_plus.problems import Place
from labelbench_plus.seeding import Streams
from labelbench_plus.view import CapabilityError, ItemView, PoolView


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


def by_hand(needs=(), provided=None, answers=None, **more):
    """A view of ten items of which 7 and 2 were bought."""
    labelled = torch.tensor([7, 2])
    candidates = torch.tensor([i for i in range(10) if i not in (7, 2)])
    answers = np.array(["a dog", "a cat\0"], dtype=object) if answers is None else answers
    providers = {name: (name, compute) for name, compute in (provided or {}).items()}
    prices = torch.ones(8, dtype=torch.float64)
    return ItemView(frozenset(needs), providers, candidates, labelled, answers, prices, 3.0, **more)


def test_items_of_any_kind_have_answers_rounds_and_purchases_but_no_classes():
    view = by_hand(purchases=[torch.tensor([7]), torch.tensor([2])])
    assert view.answers.tolist() == ["a dog", "a cat\0"]
    assert (view.round, [items.tolist() for items in view.purchases], view.money) == (2, [[7], [2]], 3.0)
    assert by_hand().round is by_hand().purchases is None
    with pytest.raises(CapabilityError, match=r"view.labels was read, but the strategy declares that it needs nothing"):
        _ = view.labels
    with pytest.raises(CapabilityError, match=r"view.num_classes was read.*neither the problem nor the trainer"):
        _ = by_hand({"num_classes"}).num_classes


def test_labels_are_served_to_all_where_there_are_any_and_the_number_of_classes_to_those_who_need_it():
    def view(*needs, **more):
        parts = torch.arange(3), torch.tensor([3]), torch.tensor([1]), torch.ones(3)
        return PoolView(frozenset(needs), {}, *parts, money=1.0, **more)

    assert view().labels.tolist() == view("labels").answers.tolist() == [1]
    assert view("num_classes", num_classes=4).num_classes == 4
    with pytest.raises(CapabilityError, match="add 'num_classes' to its `needs`"):
        _ = view(num_classes=4).num_classes
    with pytest.raises(CapabilityError, match="neither the problem nor the trainer provides it"):
        _ = view("num_classes").num_classes
    with pytest.raises(TypeError, match="needs `money`"):
        PoolView(frozenset(), {}, torch.arange(3), torch.arange(0), torch.arange(0), torch.ones(3))


def test_whatever_is_provided_is_served_under_its_name_to_those_who_declare_it():
    provided = {"region": lambda: np.array(["north"] * 8)}
    assert by_hand({"region"}, provided).region[0] == "north"
    with pytest.raises(CapabilityError, match=r"view.region was read.*add 'region' to its `needs`"):
        _ = by_hand((), provided).region
    with pytest.raises(CapabilityError, match=r"view.regoin was read"):
        _ = by_hand({"region"}, provided).regoin
    assert not hasattr(by_hand({"region"}, provided), "regoin")  # who feels his way is not stopped
    with pytest.raises(AttributeError, match="'ItemView' object has no attribute '_instance'"):
        _ = by_hand()._instance
    assert copy.copy(by_hand()).money == 3.0


def test_arrays_are_copies_that_cannot_be_written_to():
    column, answers = np.arange(8.0), np.array(["a", "b"], dtype=object)
    view = by_hand({"column"}, {"column": lambda: column}, answers)
    for array in (view.column, view.answers):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 5
    column[0], answers[0] = 9.0, "z"
    assert (view.column[0], view.answers[0]) == (0.0, "a")


def test_a_tensor_of_inference_mode_is_handed_out_as_one_that_can_be_watched():
    with torch.inference_mode():
        made = torch.ones(8)
    view = by_hand({"variance"}, {"variance": lambda: made})
    assert not view.variance.is_inference()
    assert view.changed() == []
    view.variance.add_(1.0)
    assert view.changed() == ["variance"]


def test_writing_to_what_was_bought_is_noticed():
    view = by_hand(purchases=[torch.tensor([7]), torch.tensor([2])])
    view.purchases[1].zero_()
    view.candidates.zero_()
    assert view.changed() == ["candidates", "purchases"]


def test_an_attribute_missing_behind_a_provider_is_no_missing_attribute_of_the_view():
    view = by_hand({"features", "own"}, {"features": lambda: object().tensor, "own": lambda: None.shape})
    for name in ("features", "own"):
        with pytest.raises(RuntimeError, match=f"view.{name} cannot be computed: .* has no attribute"):
            getattr(view, name)


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
