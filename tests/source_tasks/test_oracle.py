import numpy as np
import pytest

from labelbench_plus.budget import Ledger
from labelbench_plus.oracle import QueryError
from labelbench_plus.seeding import Streams
from labelbench_plus.source_tasks.allocation import Allocation
from labelbench_plus.source_tasks.oracle import SourceOracle
from labelbench_plus.source_tasks.space import Ball, Box, Finite
from tests.source_tasks.simulate import HERE, build


def draw(source, first, blocks):
    rng = Streams(3).round(int(source)).rng("x")
    inputs = rng.standard_normal((200, 2))[first * 4 : (first + blocks) * 4]
    return inputs, inputs.sum(axis=1)


@pytest.fixture
def oracle() -> SourceOracle:
    return SourceOracle(Finite(3), draw, 4, capacity=np.array([100, 100, 6]))


def ask(sources, counts) -> Allocation:
    return Allocation(np.array(sources), np.array(counts))


def test_the_kth_label_of_a_source_is_the_same_however_it_is_bought(oracle):
    at_once, bit_by_bit = Ledger(), Ledger()
    oracle.answer(ask([1], [7]), 7, at_once)
    other = SourceOracle(Finite(3), draw, 4)
    other.answer(ask([0, 1], [2, 3]), 5, bit_by_bit)
    other.answer(ask([1, 2], [4, 1]), 5, bit_by_bit)
    (whole,) = oracle.sold(at_once)[1]
    sources, parts = other.sold(bit_by_bit)
    assert sources.tolist() == [0, 1, 2]
    assert np.array_equal(whole.labels, parts[1].labels)
    assert np.array_equal(whole.inputs, parts[1].inputs)


@pytest.mark.parametrize("problem", ["rare", "generic"])
def test_two_strategies_get_the_same_labels(problem):
    found = []
    for counts in ([7, 0, 30], [2, 500, 7]):
        instance = build("problems", {"name": "synthetic_sources", "heads": problem}).open(HERE, Streams(5))
        ledger = Ledger()
        instance.oracle.answer(ask([4, 5, 6], counts), float(sum(counts)), ledger)
        if counts[0] < 7:
            instance.oracle.answer(ask([4], [5]), 5.0, ledger)
        found.append(instance.training_data(ledger, with_validation=False).sources)
    assert np.array_equal(found[0][4].labels, found[1][4].labels)
    assert np.array_equal(found[0][6].inputs[:7], found[1][6].inputs)
    assert len(found[0][5].labels) == 0


@pytest.mark.parametrize(
    ("query", "says"),
    [
        (ask([0, 3], [1, 9]), r"source ids in 0\.\.2, got 3"),
        (ask([0, -1], [1, 9]), r"source ids in 0\.\.2, got -1"),
        (ask([0, 0], [5, 5]), "0 came more than once"),
        (ask([0, 1], [5, 6]), "expected 10 labels in all, got 11"),
        (ask([0, 1], [4, 5]), "expected 10 labels in all, got 9"),
        (ask([0, 1], [12, -2]), "at least zero, got -2"),
        (ask([0, 1], [5.0, 5.0]), "whole numbers of labels, got counts of float64"),
        (ask([0, 1], [10]), "one count for each of 2 sources"),
        (ask([0.0, 1.0], [5, 5]), "integer source ids"),
        (ask([0, 2], [3, 7]), "at most 6 more labels of source 2, got 7"),
        (np.array([0, 1]), "expected an Allocation"),
    ],
)
def test_a_bad_query_is_refused_and_not_charged(oracle, query, says):
    ledger = Ledger()
    with pytest.raises(QueryError, match=says):
        oracle.answer(query, 10, ledger)
    assert ledger.spent == 0
    assert ledger.purchases == []


def test_sold_out_sources_limit_what_is_asked_for(oracle):
    ledger = Ledger()
    oracle.answer(ask([2, 1], [6, 0]), 6, ledger)
    assert oracle.terms(ledger)[2].tolist() == [100, 100, 0]
    assert oracle.ask_for(1000, ledger) == 200
    assert ledger.items.tolist() == [2]  # a source of which nothing was asked was not opened


def test_labels_and_opening_are_charged_once_each():
    oracle = SourceOracle(Finite(3), draw, 4, prices=np.array([1.0, 2.0, 0.5]), opening=np.array([0.0, 10.0, 3.0]))
    ledger = Ledger()
    assert oracle.ask_for(17, ledger) == 34
    oracle.answer(ask([0, 1], [2, 2]), 17, ledger)
    assert ledger.purchases[0].prices.tolist() == [2.0, 14.0]
    oracle.answer(ask([1, 2], [3, 2]), 10, ledger)
    assert ledger.purchases[1].prices.tolist() == [6.0, 4.0]
    assert ledger.spent == 26
    with pytest.raises(QueryError, match="spend at most 3, got labels for 4"):
        oracle.answer(ask([1], [2]), 3, ledger)
    with pytest.raises(QueryError, match="less than 2 of 30 to be left unspent, but 28 is"):
        oracle.answer(ask([1], [1]), 30, ledger)


def test_a_stream_that_changed_is_noticed(oracle):
    ledger = Ledger()
    oracle.answer(ask([1], [5]), 5, ledger)
    changed = SourceOracle(Finite(3), lambda *ask: tuple(part + 1e-12 for part in draw(*ask)), 4)
    with pytest.raises(ValueError, match="round 0: source 1 no longer gives the labels"):
        changed.sold(ledger)


def test_on_a_continuous_space_a_descriptor_is_a_source():
    def flat(source, first, blocks):
        rows = np.arange(first * 4, (first + blocks) * 4)
        return rows[:, None] * source[None], rows * source.sum()

    oracle, ledger = SourceOracle(Ball(2), flat, 4), Ledger()
    one, two = np.array([[1.0, 0.0]]), np.array([[0.6, 0.8]])
    oracle.answer(Allocation(one, np.array([3])), 3, ledger)
    oracle.answer(Allocation(np.concatenate([two, one]), np.array([1, 2])), 3, ledger)
    sources, parts = oracle.sold(ledger)
    assert sources.tolist() == [[1.0, 0.0], [0.6, 0.8]]
    assert parts[0].labels.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("space", "sources", "says"),
    [
        (Ball(2), np.array([[1.0, 0.5]]), "within the ball, got one 0.118 outside"),
        (Box(2), np.array([[1.0, 1.5]]), "within the box, got one 0.5 outside"),
        (Box(2), np.array([[1.0, np.nan]]), "finite"),
        (Box(2), np.array([[0.5, 0.0], [0.5, -0.0]]), "more than once"),
        (Ball(2), np.array([0, 1]), r"descriptors \(m, 2\)"),
        (Ball(3), np.array([[1.0, 0.0]]), r"descriptors \(m, 3\)"),
    ],
)
def test_what_is_no_source_of_a_space_is_refused(space, sources, says):
    with pytest.raises(QueryError, match=says):
        SourceOracle(space, draw, 4).answer(Allocation(sources, np.ones(len(sources), dtype=int)), 9, Ledger())


def test_equal_descriptors_merge_in_order():
    merged = Allocation.merged(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, -0.0]]), np.array([2, 0, 3]))
    assert merged.sources.tolist() == [[1.0, 0.0]]
    assert merged.counts.tolist() == [5]


def test_samples_and_projections_lie_within():
    rng = np.random.default_rng(0)
    for space in (Ball(4), Box(4)):
        assert space.outside(space.sample(50, rng)).max() <= 1e-12
        far = 3 * rng.standard_normal((50, 4))
        assert space.outside(space.project(far)).max() <= 1e-12
        assert np.array_equal(space.project(far / 100), far / 100)
