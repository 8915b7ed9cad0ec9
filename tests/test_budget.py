import json

import numpy as np
import pytest

from labelbench_plus.answers import CLASS, REAL
from labelbench_plus.budget import Purchase
from labelbench_plus.suite import Budget


def again(purchase: Purchase) -> Purchase:
    return Purchase.from_json(json.loads(json.dumps(purchase.as_json())))


def test_a_purchase_from_a_pool_says_nothing_of_counts():
    purchase = Purchase(np.array([4, 2]), np.ones(2), np.array([0, 1]))
    assert set(purchase.as_json()) == {"items", "prices", "answers"}
    assert again(purchase).items.dtype == np.int64
    assert again(purchase).labels == 2


@pytest.mark.parametrize("items", [np.array([7, 3]), np.array([[1.0, 0.0], [0.1, 1 / 3]])])
def test_a_purchase_from_sources_survives_being_written_down(items):
    purchase = Purchase(items, np.array([5.0, 2.5]), np.array(["ab", "cd"]), np.array([10, 4]))
    found = again(purchase)
    assert found.items.dtype == items.dtype
    assert np.array_equal(found.items, items)
    assert found.counts is not None
    assert found.counts.tolist() == [10, 4]
    assert found.labels == 14
    assert found.cost == 7.5


def test_budgets_may_grow_in_whole_units():
    assert Budget(first=5.5, batch=2.5, rounds=3).amounts() == (5.5, 2.5, 2.5)
    assert Budget(first=100, batch=10, rounds=4, growth=1.25).amounts() == (100.0, 10.0, 12.0, 16.0)


@pytest.mark.parametrize(
    ("kind", "answers"), [(REAL, np.full((3, 2), np.nan, dtype=np.float32)), (CLASS, np.zeros((3, 2), dtype=np.int64))]
)
def test_rows_of_which_none_was_answered_keep_their_length(kind, answers):
    """The next round's rows are put below them."""
    purchase = Purchase(np.arange(3), np.ones(3), answers, kind=kind, answered=np.zeros(3, dtype=bool))
    found = again(purchase)
    assert (found.answers.shape, found.answers.dtype) == ((3, 2), answers.dtype)
    assert found.as_json() == purchase.as_json()
    assert not found.with_answer.any()


@pytest.mark.parametrize("shape", [[10**7, 10**7], [3, 10**9], [2, 2], [3], ["a", 2], "32", [3, -1]])
def test_a_file_cannot_ask_for_any_shape(shape):
    record = {"items": [0, 1, 2], "prices": [1.0] * 3, "answers": [None] * 3, "kind": "real"}
    with pytest.raises(ValueError, match=r"shape of answers: .* is not that of 3 rows which do not show theirs"):
        Purchase.from_json({**record, "shape": {"answers": shape}})
    with pytest.raises(ValueError, match="shape of items"):
        Purchase.from_json({**record, "shape": {"items": [3, 2]}})
