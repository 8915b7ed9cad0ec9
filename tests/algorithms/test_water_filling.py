import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelbench_plus.algorithms.water_filling import top_up, water_fill


@st.composite
def cases(draw):
    sources = draw(st.integers(1, 12))
    share = draw(st.lists(st.sampled_from([0.0, 1.0]) | st.floats(1e-3, 10), min_size=sources, max_size=sources))
    capacity = draw(st.none() | st.lists(st.integers(0, 60), min_size=sources, max_size=sources))
    most = 400 if capacity is None else sum(capacity)
    return np.array(share), draw(st.integers(0, most)), draw(st.integers(0, 30)), capacity


@settings(max_examples=150, deadline=None)
@given(cases())
def test_sums_exactly_within_floors_and_capacities(case):
    share, total, floor, capacity = case
    room = np.full(len(share), np.inf) if capacity is None else np.array(capacity, dtype=float)
    counts = water_fill(share, total, floor, room)
    assert counts.dtype == np.int64
    assert counts.sum() == total
    assert (counts >= np.minimum(min(floor, total // len(share)), room)).all()
    assert (counts <= room).all()


@settings(max_examples=150, deadline=None)
@given(cases())
def test_sources_above_the_floor_and_below_capacity_are_proportional_to_one_unit(case):
    share, total, floor, capacity = case
    room = np.full(len(share), np.inf) if capacity is None else np.array(capacity, dtype=float)
    counts = water_fill(share, total, floor, room)
    share = np.ones(len(share)) if not share.any() else share
    free = (counts > min(floor, total // len(share)) + 1) & (counts < room - 1) & (share > 0)
    if free.sum() > 1:
        least, most = (counts[free] - 1) / share[free], (counts[free] + 1) / share[free]
        assert least.max() <= most.min() * (1 + 1e-9)  # one level explains all of them


@settings(max_examples=100, deadline=None)
@given(cases(), st.randoms(use_true_random=False))
def test_permuting_sources_permutes_the_answer(case, random):
    share, total, floor, _ = case
    share = share + np.linspace(0.0137, 0.0271, len(share)) ** 0.5  # no ties
    order = np.array(random.sample(range(len(share)), len(share)))
    whole = water_fill(share, total, floor)
    assert np.abs(water_fill(share[order], total, floor) - whole[order]).max() <= 1
    assert water_fill(share[order], total, floor).sum() == total


def test_permuting_permutes_exactly_where_fractions_differ():
    share, order = np.array([1.0, 2.3, 4.9, 0.2, 3.1]), np.array([3, 0, 4, 1, 2])
    assert np.array_equal(water_fill(share[order], 1001, 7), water_fill(share, 1001, 7)[order])


@pytest.mark.parametrize(
    ("share", "total", "floor", "expected"),
    [
        ([1, 1, 1], 2, 5, [1, 1, 0]),  # fewer labels than sources: ties to the lowest id
        ([0, 0, 0, 0], 10, 0, [3, 3, 2, 2]),
        ([7.0], 13, 2, [13]),
        ([1, 0, 0], 10, 2, [6, 2, 2]),
        ([3, 1], 8, 0, [6, 2]),
        ([3, 1], 0, 4, [0, 0]),
        ([0.1] * 10, 30, 0, [3] * 10),
    ],
)
def test_small_cases_by_hand(share, total, floor, expected):
    assert water_fill(np.array(share), total, floor).tolist() == expected


def test_what_full_sources_leave_goes_to_the_others():
    assert water_fill(np.array([8.0, 1, 1]), 20, 0, np.array([5, 100, 100])).tolist() == [5, 8, 7]
    assert water_fill(np.array([1.0, 0, 0]), 9, 0, np.array([3, 100, 100])).tolist() == [3, 3, 3]
    assert water_fill(np.array([1.0, 0, 0]), 9, 4, np.array([1, 100, 2])).tolist() == [1, 6, 2]


def test_topping_up_counts_what_is_owned():
    owned = np.array([10, 10, 10])
    assert top_up(np.array([2.0, 1, 1]), 10, owned).tolist() == [10, 0, 0]
    assert top_up(np.array([0.0, 0, 1]), 4, owned).tolist() == [0, 0, 4]
    assert top_up(np.array([1.0, 0, 0]), 30, owned, remaining=np.array([5, 50, 50])).sum() == 30


@settings(max_examples=100, deadline=None)
@given(cases(), st.lists(st.integers(0, 40), min_size=12, max_size=12))
def test_topping_up_is_exact(case, owned):
    share, amount, floor, capacity = case
    added = top_up(share, amount, np.array(owned[: len(share)]), floor, capacity and np.array(capacity))
    assert added.sum() == amount
    assert (added >= 0).all()
    assert capacity is None or (added <= capacity).all()


@pytest.mark.parametrize(
    ("share", "total", "capacity", "says"),
    [
        ([], 1, None, "length >= 1"),
        ([1.0, -1], 1, None, "at least zero"),
        ([1.0, np.nan], 1, None, "finite"),
        ([1.0, 1], -1, None, "give away -1"),
        ([1.0, 1], 9, [4, 4], "can take 0 to 8"),
    ],
)
def test_impossible_requests_are_refused(share, total, capacity, says):
    with pytest.raises(ValueError, match=says):
        water_fill(np.array(share), total, 0, capacity and np.array(capacity))
