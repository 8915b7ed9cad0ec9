import datetime
import json
import pickle
import tracemalloc

import numpy as np
import pytest

from labelbench_plus.answers import (
    CLASS,
    KINDS,
    LABELS,
    NO_ANSWER,
    PREFERENCE,
    PREFERENCE_PROBABILITY,
    REAL,
    TEXT,
    AnswerError,
    inferred,
    same,
    two_classes,
)
from labelbench_plus.budget import Ledger, Purchase
from labelbench_plus.oracle import Again, Oracle, PoolOracle, QueryError
from labelbench_plus.spec import canonical
from tests.answered import KIND_OF, MADE, made


def objects(*values):
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def again(purchase: Purchase) -> Purchase:
    return Purchase.from_json(json.loads(canonical(purchase.as_json())))


def bought(labels, items=None, **about) -> Purchase:
    """What a pool's oracle sells of these labels."""
    items = np.arange(len(labels)) if items is None else np.asarray(items, dtype=np.int64)
    ledger = Ledger()
    PoolOracle(labels, **about).answer(items, float(len(items)), ledger)
    return ledger.purchases[0]


def assert_equal(found: np.ndarray, expected: np.ndarray) -> None:
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    assert found.tolist() == expected.tolist() or found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("count", [7, 1, 0])
@pytest.mark.parametrize("form", MADE)
def test_answers_come_back_as_they_were(form, count):
    purchase = bought(made(form, 20)[:20], range(count), kind=KINDS[KIND_OF[form]])
    found = again(purchase)
    if count or purchase.kind.named:
        assert_equal(found.answers, purchase.answers)
    assert_equal(found.items, purchase.items)
    assert found.answered is None
    assert found.kind is (purchase.kind if purchase.kind.named else None)
    assert canonical(found.as_json()) == canonical(purchase.as_json())
    assert not purchase.differences(found)


@pytest.mark.parametrize("form", MADE)
def test_answers_that_are_missing_come_back_missing(form):
    labels = [None if k % 3 == 0 else value for k, value in enumerate(list(made(form, 20))[:20])]
    purchase = bought(labels, kind=KINDS[KIND_OF[form]])
    found = again(purchase)
    assert found.answered.tolist() == purchase.answered.tolist() == [k % 3 != 0 for k in range(20)]
    assert_equal(found.answers, purchase.answers)
    assert purchase.as_json()["answers"][::3] == [None] * 7
    ledger = Ledger([found])
    assert ledger.spent == 20
    assert ledger.answered_items.tolist() == [k for k in range(20) if k % 3]
    assert len(ledger.answered_answers) == 13
    assert len(ledger.items) == 20


def test_what_has_no_answer_is_no_class_that_anybody_knows():
    purchase = bought([3, None, -1])
    assert purchase.answers.tolist() == [3, NO_ANSWER, -1]
    with pytest.raises(IndexError):
        np.zeros(10)[purchase.answers[1]]


def test_published_kinds_say_nothing_of_themselves_and_new_ones_do():
    plain = {"items", "prices", "answers"}
    for form in ("class", "label_set", "mask", "digest"):
        assert set(bought(made(form, 5)[:5], kind=KINDS[form]).as_json()) == plain
    for name in ("text", "real", "score", "preference", "preference_probability", "labels"):
        record = bought(made(name, 5)[:5], kind=KINDS[name]).as_json()
        assert set(record) == plain | {"kind"}
        assert record["kind"] == name
    assert bought(made("float32", 5)).as_json()["dtype"] == "float32"


@pytest.mark.parametrize(
    "value", [0.0, -0.0, -1.0, 1e12, 5e-324, 2.2250738585072014e-308, 1 / 3, 1.7976931348623157e308]
)
def test_reals_survive_to_the_bit(value):
    for dtype in (np.float64, np.float32):
        array = np.array([value if abs(value) < 3e38 else 3e38, 1.0], dtype=dtype)
        found = again(bought(array)).answers
        assert found.dtype == dtype
        assert found.tobytes() == array.tobytes()


def test_lists_keep_their_form():
    mixed, equal = objects((0, 2), (), (1,)), objects((0, 2), (1, 3))
    for labels in (mixed, equal):
        purchase = bought(labels)
        assert purchase.kind is LABELS
        assert again(purchase).answers.tolist() == labels.tolist()
        assert again(purchase).answers.shape == (len(labels),)
    vectors = np.array([[0, 2], [1, 3]])
    assert again(bought(vectors)).answers.tolist() == [[0, 2], [1, 3]]
    assert again(bought(vectors)).answers.shape == (2, 2)


def test_empty_rounds_neither_bend_nor_break_those_after_them():
    for labels, items in (
        (np.zeros((4, 3), dtype=np.float32), [1, 2]),
        (np.zeros((4, 3), dtype=np.int64), [1, 2]),
        (objects("a", "b", "c", "d"), [1, 2]),
        (objects((1,), (), (2,), ()), [1, 2]),
        (np.arange(4.0, dtype=np.float32), [1, 2]),
    ):
        for order in (([], items), (items, []), ([],), ([], [])):
            whole, resumed = Ledger(), Ledger()
            for each in order:
                PoolOracle(labels).answer(np.array(each, dtype=np.int64), float(len(each)), whole)
            for purchase in whole.purchases:
                resumed.record(again(purchase))
            assert_equal(resumed.items, whole.items)
            if labels.dtype != np.int64 or len(order[0]):
                assert_equal(resumed.answers, whole.answers)


def test_an_allocation_of_nothing_keeps_the_form_of_its_descriptors():
    nothing = Purchase(np.empty((0, 3)), np.empty(0), np.empty(0, dtype=object), np.empty(0, dtype=np.int64))
    assert again(nothing).items.shape == (0, 3)
    some = Purchase(np.ones((2, 3)), np.ones(2), objects("ab", "cd"), np.array([4, 5]))
    assert Ledger([again(nothing), again(some)]).items.shape == (2, 3)


def test_what_generated_items_were_is_kept():
    purchase = Purchase(
        np.array([7, 9]), np.ones(2), objects("x", "y"), asked=('{"text":"a\\u0000"}', '"ü"'), kind=TEXT
    )
    assert again(purchase).asked == purchase.asked
    assert "asked" not in bought(["x"]).as_json()
    other = Purchase(np.array([7, 9]), np.ones(2), objects("x", "y"), asked=("1", "2"), kind=TEXT)
    assert purchase.differences(other) == ["asked"]


UNSPEAKABLE = {
    "a lone surrogate": (["fine", "half \ud83d"], r"answers: item 1: expected text that UTF-8 can encode, got 'half"),
    "bytes": ([b"ab", b"cd"], r"answers: item 0: expected text that UTF-8 can encode, got b'ab' \(bytes\)"),
    "bytes in numpy": (np.array([b"ab"]), r"answers: item 0: .* got b'ab' \(bytes\)"),
    "NaN": (np.array([1.0, np.nan]), r"answers: item 1: expected a finite number, got nan \(float\)"),
    "infinity": (np.array([1.0, -np.inf], dtype=np.float32), r"answers: item 1: expected a finite number, got -inf"),
    "a vector with NaN": (np.array([[1.0, 2.0], [np.nan, 0.0]]), r"answers: item 1: .* got \[nan, 0.0\]"),
    "dates": (np.array(["2020-01-02"], dtype="M8[D]"), r"answers: item 0: .* got datetime.date\(2020, 1, 2\) \(date\)"),
    "dates as objects": ([datetime.date(2020, 1, 2)], r"answers: item 0: .* got datetime.date\(2020, 1, 2\) \(date\)"),
    "complex numbers": (np.array([1j]), r"answers: item 0: expected a whole number, got 1j \(complex\)"),
    "more bits than a float has": (np.array([1.0], dtype=np.longdouble), r"answers: item 0: expected a finite number"),
    "text among numbers": ([1, 2, "three"], r"answers: item 2: expected a whole number, got 'three' \(str\)"),
    "numbers among texts": (["one", 2], r"answers: item 1: expected text that UTF-8 can encode, got 2 \(int\)"),
    "a set of no numbers": ([(0,), ("a",)], r"answers: item 1: expected different label numbers .* got \('a',\)"),
    "a set out of order": ([(0,), (2, 1)], r"answers: item 1: expected different label numbers .* got \(2, 1\)"),
    "a mapping": ([{"a": 1}], r"answers: item 0: expected text that UTF-8 can encode, got {'a': 1} \(dict\)"),
}


@pytest.mark.parametrize("case", UNSPEAKABLE)
def test_what_cannot_be_written_down_is_refused_when_it_is_answered(case):
    labels, says = UNSPEAKABLE[case]
    ledger = Ledger()
    with pytest.raises(AnswerError, match=says):
        PoolOracle(labels).answer(np.arange(len(labels)), float(len(labels)), ledger)
    assert not ledger.purchases


@pytest.mark.parametrize(
    ("kind", "labels", "says"),
    [
        ("class", [1, 0.5], "item 1: expected a whole number, got 0.5"),
        ("class", np.array([2**63], dtype=np.uint64), "item 0: expected a whole number, got 9223372036854775808"),
        ("label_set", [0, -1], "item 1: expected the number of a label set, got -1"),
        ("preference", [0, 2], "item 1: expected -1, 0 or 1, got 2"),
        ("preference_probability", [0.5, 1.01], "item 1: expected a probability in 0..1, got 1.01"),
        ("text", [3], "item 0: expected text that UTF-8 can encode, got 3"),
        ("mask", ["AAA"], "item 0: expected a mask in base64, got 'AAA'"),
        ("digest", ["xyz"], "item 0: expected hexadecimal digits, got 'xyz'"),
        ("score", [[1.0], [2.0]], r"item 0: expected a finite number, got \[1.0\]"),
    ],
)
def test_a_kind_refuses_what_is_none_of_it(kind, labels, says):
    with pytest.raises(AnswerError, match=f"answers: {says}"):
        bought(labels, kind=KINDS[kind])


class Own(Oracle):
    """A stranger's oracle, which records what it likes."""

    def __init__(self, **purchase):
        self._purchase = purchase

    def answer(self, query, allowance, ledger):
        about = {"items": np.array([7, 8]), "prices": np.ones(2), "answers": np.array([0, 1]), **self._purchase}
        ledger.record(Purchase(**about))


@pytest.mark.parametrize(
    ("purchase", "says"),
    [
        ({"answers": np.array([0.0, np.nan])}, "answers: item 8: expected a finite number, got nan"),
        ({"answers": objects([1], [1, 2])}, r"answers: item 7: expected .* where no kind is named, got \[1\]"),
        ({"answers": objects("a", b"b")}, r"answers: item 8: .* got b'b'"),
        ({"answers": np.array([0, 1, 2])}, "answers: expected one for each of 2 items, got 3"),
        ({"prices": np.array([1.0, np.nan])}, "prices: item 8: expected at least 0, got nan"),
        ({"prices": np.array([1.0, -2.0])}, "prices: item 8: expected at least 0, got -2.0"),
        ({"items": np.array([[0.5], [np.inf]])}, r"items: expected .* finite descriptors, got \[inf\]"),
        ({"items": np.array(["a", "b"])}, "items: expected whole numbers .* got 'a'"),
        ({"asked": ("a", "\ud800")}, "asked: item 8: expected text that UTF-8 can encode"),
    ],
)
def test_a_strangers_oracle_is_held_to_the_same(purchase, says):
    ledger = Ledger()
    with pytest.raises(AnswerError, match=says):
        Own(**purchase).answer(None, 2.0, ledger)
    assert not ledger.purchases


def test_a_strangers_strings_and_objects_are_held_as_they_will_come_back():
    for answers in (np.array(["ab", "c"]), objects("ab", "c"), objects(3, 4), np.array([True, False])):
        purchase = Purchase(np.array([7, 8]), np.ones(2), answers)
        assert_equal(again(purchase).answers, purchase.answers)
        assert purchase.answers.dtype.kind != "U"


def test_a_million_characters_cost_a_million_characters():
    texts = ["x" * 1_000_000, *[f"short {k}" for k in range(999)]]
    tracemalloc.start()
    try:
        purchase = bought(texts)
        found = again(purchase)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.answers.tolist() == texts
    assert peak < 30_000_000  # numpy's own strings would take 4,000,000,000


@pytest.mark.parametrize(
    "record",
    [
        {"kind": "smell"},
        {"kind": "text", "dtype": "float32"},
        {"dtype": "int8"},
        {"kind": "real", "answers": ["a", "b"]},
        {"kind": "preference", "answers": [0.5, 1]},
        {"answers": [[1], [1, 2]]},
        {"kind": "real", "dtype": "float32", "answers": [0.1, 0.2]},
    ],
)
def test_a_record_of_no_known_form_is_not_read(record):
    with pytest.raises(ValueError, match=r"."):
        Purchase.from_json({"items": [1, 2], "prices": [1.0, 1.0], "answers": [1, 2], **record})


def test_the_kind_shows_where_nobody_says_it():
    assert inferred(np.array([1, 2], dtype=np.int32)) is CLASS
    assert PoolOracle(np.array([1, 2], dtype=np.int32)).kind is CLASS
    assert bought(np.array([1, 2], dtype=np.uint8)).answers.dtype == np.int64
    assert bought(np.array([True, False])).answers.dtype == np.int64
    assert inferred(np.array([1, 2], dtype=np.float32)) is REAL
    assert inferred(["a"]) is inferred(np.array(["a"])) is TEXT
    assert inferred([None, (1,)]) is LABELS


def test_there_is_one_of_each_kind_in_every_process():
    for kind in KINDS.values():
        assert pickle.loads(pickle.dumps(kind)) is kind


def test_preferences_are_two_classes_and_ties():
    assert two_classes(np.array([-1, 0, 1]), PREFERENCE).tolist() == [0, -1, 1]
    assert two_classes(np.array([0.9, 0.5, 0.0]), PREFERENCE_PROBABILITY).tolist() == [0, -1, 1]
    with pytest.raises(ValueError, match="no preferences"):
        two_classes(np.array([0.5]), REAL)


def test_same_is_to_the_last_bit():
    assert same(np.array([0.0, 1.0, np.nan]), np.array([-0.0, 1.0, np.nan])).tolist() == [False, True, True]
    assert same(objects("a\0", "b"), objects("a", "b")).tolist() == [False, True]
    assert same(np.array([[1, 2], [3, 4]]), np.array([[1, 2], [3, 5]])).tolist() == [True, False]


@pytest.mark.parametrize("form", MADE)
def test_an_oracle_sells_again_what_it_sold_and_nothing_else(form):
    kind = KINDS[KIND_OF[form]]
    oracle = PoolOracle(made(form, 30), kind=kind)
    other = PoolOracle(made(form, 30, seed=1), kind=kind)
    ledger = Ledger()
    oracle.answer(np.arange(12), 12.0, ledger)
    asked = Again(again(ledger.purchases[0]))
    oracle.answer(asked, 12.0, Ledger())
    if form != "mask":
        with pytest.raises(QueryError, match="its answers are others"):
            other.answer(asked, 12.0, Ledger())
