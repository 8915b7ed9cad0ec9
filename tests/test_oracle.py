import numpy as np
import pytest
import torch

from labelbench_plus.budget import Ledger, allowance
from labelbench_plus.oracle import PoolOracle, QueryError, StratifiedDraw

LABELS = np.array([5, 6, 7, 8, 9])


@pytest.fixture
def oracle() -> PoolOracle:
    return PoolOracle(LABELS)


def test_answers_are_recorded_with_their_price_in_the_order_asked(oracle):
    ledger = Ledger()
    oracle.answer(torch.tensor([3, 1]), 2.0, ledger)
    oracle.answer(np.array([0]), 1.0, ledger)
    assert ledger.items.tolist() == [3, 1, 0]
    assert ledger.answers.tolist() == [8, 6, 5]
    assert ledger.spent == 3.0


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ([0], "expected 2 items, got 1"),
        ([0, 1, 2], "expected 2 items, got 3"),
        ([0, 0], "0 came more than once"),
        ([0, 5], "expected indices in 0..4, got 5"),
        ([-1, 1], "expected indices in 0..4, got -1"),
        ([4, 1], "4 were"),
        ([0.0, 1.0], "integer pool indices, got shape (2,) of float64"),
        ([[0, 1]], "got shape (1, 2)"),
    ],
)
def test_a_bad_query_is_refused_and_neither_charged_nor_answered(oracle, query, says):
    ledger = Ledger()
    oracle.answer([4], 1.0, ledger)
    with pytest.raises(QueryError) as refused:
        oracle.answer(np.array(query), 2.0, ledger)
    assert says in str(refused.value)
    assert ledger.spent == 1.0
    assert ledger.answers.tolist() == [9]


def test_many_offenders_are_counted_and_the_first_are_named():
    with pytest.raises(QueryError, match=r"got 100, 101, 102, 103, 104, … \(7 in all\)"):
        PoolOracle(np.zeros(100, dtype=int)).answer(np.arange(100, 107), 7.0, Ledger())


def test_never_asks_for_more_than_is_left(oracle):
    ledger = Ledger()
    oracle.answer([0, 1, 2], 3.0, ledger)
    assert oracle.ask_for(100.0, ledger) == 2
    assert oracle.ask_for(1.5, ledger) == 1


def test_allowance_is_what_the_schedule_released_less_what_was_spent(oracle):
    ledger = Ledger()
    assert allowance((2.0, 1.5, 1.5), 0, ledger) == 2.0
    oracle.answer([0, 1], 2.0, ledger)
    assert allowance((2.0, 1.5, 1.5), 1, ledger) == 1.5
    oracle.answer([2], 1.5, ledger)
    assert allowance((2.0, 1.5, 1.5), 2, ledger) == 2.0  # the half that bought nothing is kept


def priced() -> PoolOracle:
    return PoolOracle(LABELS, np.array([5.0, 1.0, 2.0, 4.0, 1.0]))


def test_with_prices_the_list_is_bought_from_the_top_as_far_as_the_money_goes():
    ledger = Ledger()
    assert priced().ask_for(4.0, ledger) == 3  # the three cheapest cost four
    priced().answer([0, 2, 3], 4.0, ledger)  # the first is too dear, the second fits, the third no longer does
    assert ledger.items.tolist() == [2]
    assert ledger.spent == 2.0
    priced().answer([1, 4], 2.0, ledger)
    assert ledger.spent == 4.0


def test_no_label_is_lost_to_rounding():
    oracle = PoolOracle(np.zeros(30), np.full(30, 0.1))
    assert oracle.ask_for(0.1 * 3, Ledger()) == 3
    ledger = Ledger()
    oracle.answer(np.arange(30), sum([0.1] * 30), ledger)
    assert len(ledger.items) == 30


def test_a_stratified_draw_takes_every_class_in_turn():
    labels = np.repeat([0, 1, 2], [50, 10, 2])
    ledger = Ledger()
    PoolOracle(labels).answer(StratifiedDraw(np.random.default_rng(0)), 11.0, ledger)
    assert np.bincount(ledger.answers).tolist() == [5, 4, 2] or np.bincount(ledger.answers).tolist() == [4, 5, 2]
    again = Ledger()
    PoolOracle(labels).answer(StratifiedDraw(np.random.default_rng(0)), 11.0, again)
    assert np.array_equal(ledger.items, again.items)


def test_a_stratified_draw_takes_last_what_nobody_can_answer():
    ledger = Ledger()
    PoolOracle([1, None, None, None, 0, 1, 0, 1]).answer(StratifiedDraw(np.random.default_rng(0)), 5.0, ledger)
    assert sorted(ledger.answered_answers.tolist()) == [0, 0, 1, 1, 1]
