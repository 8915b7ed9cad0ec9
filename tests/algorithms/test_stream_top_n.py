"""The histogram cut against a full sort."""

from __future__ import annotations

import numpy as np
import pytest

from labelbench_plus.algorithms.blocks.stream_top_n import (
    UID,
    Cut,
    at_least,
    nth_key,
    score_of_key,
    sortable_keys,
    top_n,
    top_n_with_ties,
)

ROWS = 999
RNG = np.random.default_rng(0)
INPUTS = {
    "random": RNG.normal(size=ROWS),
    "all equal": np.full(ROWS, 0.25),
    "signed": RNG.choice([-1.5, 1.5], size=ROWS),
    "denormal": RNG.integers(-5, 5, size=ROWS) * 1e-45,
    "zeros of both signs": RNG.choice([-0.0, 0.0], size=ROWS),
    "minus infinity": np.where(RNG.random(ROWS) < 0.5, -np.inf, RNG.normal(size=ROWS)),
    "heavily tied": RNG.integers(0, 4, size=ROWS) / 8,
    "half precision": RNG.normal(size=ROWS).astype(np.float16),
}


def uids(rows: int) -> np.ndarray:
    made = np.empty(rows, dtype=UID)
    made["f0"], made["f1"] = RNG.integers(0, 3, size=rows), RNG.permutation(rows)
    return made


def sorted_best(scores: np.ndarray, names: np.ndarray, n: int) -> set[int]:
    order = np.lexsort((names["f1"], names["f0"], -scores.astype(np.float64)))
    return set(order[:n].tolist())


@pytest.mark.parametrize("n", [0, 1, ROWS // 3, ROWS - 1, ROWS])
@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_check_10_as_a_full_sort(name, n, dtype):
    scores, names = INPUTS[name].astype(dtype), uids(ROWS)
    pieces = np.array_split(np.arange(ROWS), 7)
    cut = top_n(lambda: ((scores[some], lambda some=some: names[some]) for some in pieces), n)
    kept = np.flatnonzero(cut.keeps(scores, lambda: names))
    assert len(kept) == n
    assert set(kept.tolist()) == sorted_best(scores, names, n)
    backwards = top_n(lambda: ((scores[some], lambda some=some: names[some]) for some in pieces[::-1]), n)
    assert backwards == cut


def test_keys_keep_the_order():
    values = np.array([-np.inf, -1e30, -1.0, -1e-45, 0.0, 1e-45, 1.0, 1e30, np.inf], dtype=np.float32)
    for bits in (32, 64):
        keys = [int(key) for key in sortable_keys(values, bits)]
        assert keys == sorted(set(keys))
        assert [score_of_key(key, bits) for key in keys] == values.tolist()
        assert sortable_keys(np.array([-0.0]), 64)[0] == sortable_keys(np.array([0.0]), 64)[0]


def test_not_a_number_is_refused():
    with pytest.raises(ValueError, match="score 1 is NaN"):
        sortable_keys(np.array([0.0, np.nan]), 64)


def test_more_than_there_are_is_refused():
    with pytest.raises(ValueError, match="cannot find the 4th of 3"):
        nth_key(lambda: [np.arange(3, dtype=np.uint32)], 4)


def test_keeping_ties_as_datacomp_does():
    scores, names = np.array([5, 4, 4, 4, 3, 2], dtype=np.float32), uids(6)
    cut = top_n_with_ties(lambda: iter([(scores, lambda: names)]), 2)
    assert cut.keeps(scores, lambda: names).tolist() == [True, True, True, True, False, False]


def test_a_threshold_includes_itself():
    scores = np.array([0.25, 0.2499, 0.3, -np.inf], dtype=np.float32)
    assert at_least(0.25).keeps(scores, lambda: uids(4)).tolist() == [True, False, True, False]


@pytest.mark.parametrize("n", [1, 500, ROWS])
def test_doubles_among_single_precision_are_told_apart(n):
    scores, names = 0.25 + RNG.permutation(ROWS) * 1e-12, uids(ROWS)
    parts = [scores[:300].astype(np.float32), scores[300:]]
    cut = top_n(lambda: iter([(parts[0], lambda: names[:300]), (parts[1], lambda: names[300:])]), n)
    assert cut.bits == 64
    stay = np.concatenate([cut.keeps(parts[0], lambda: names[:300]), cut.keeps(parts[1], lambda: names[300:])])
    every = np.concatenate([part.astype(np.float64) for part in parts])
    assert set(np.flatnonzero(stay).tolist()) == sorted_best(every, names, n)


def test_a_threshold_is_taken_in_the_precision_of_the_scores():
    nearly = np.array([0.7, 0.7 - 1e-9])
    assert at_least(0.7).keeps(nearly, lambda: uids(2)).tolist() == [True, False]
    assert at_least(0.7).keeps(nearly.astype(np.float32), lambda: uids(2)).all()


def test_a_cut_is_all_that_a_stream_needs():
    names = np.array([(2**63, 2**64 - 1), (2**63, 5), (1, 7)], dtype=UID)
    cut = Cut(int(sortable_keys(np.ones(1, dtype=np.float32))[0]), (2**63, 5))
    assert cut.keeps(np.ones(3, dtype=np.float32), lambda: names).tolist() == [False, True, True]
