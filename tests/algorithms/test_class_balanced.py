"""Class-balanced random: balance, and uniformity of everything that is left to chance."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from labelbench_plus.algorithms.class_balanced import class_balanced_random


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=40), st.data())
def test_no_class_is_ahead_of_one_that_has_rows_left(classes: list[int], data: st.DataObject) -> None:
    n = data.draw(st.integers(0, len(classes)))
    picks = class_balanced_random(torch.tensor(classes), n, np.random.default_rng(data.draw(st.integers(0, 99))))
    assert len(set(picks.tolist())) == n
    available = Counter(classes)
    for b in range(n + 1):  # every prefix of the batch is balanced
        taken = Counter(classes[row] for row in picks[:b].tolist())
        most = max(taken.values(), default=0)
        assert all(taken[k] >= most - 1 or taken[k] == available[k] for k in available)


def test_remainders_and_members_are_uniform() -> None:
    classes = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2, 2])
    rng = np.random.default_rng(0)
    batches = [class_balanced_random(classes, 4, rng).tolist() for _ in range(3000)]
    extra = [Counter(int(classes[row]) for row in batch).most_common(1)[0][0] for batch in batches]
    assert stats.chisquare(np.bincount(extra, minlength=3)).pvalue > 1e-3
    rows = np.bincount([row for batch in batches for row in batch], minlength=9)
    assert stats.chisquare(rows).pvalue > 1e-3
    first = np.bincount([batch[0] for batch in batches], minlength=9)
    assert stats.chisquare(first).pvalue > 1e-3


def test_repeatable_and_exact_at_the_edges() -> None:
    classes = torch.tensor([3, 3, 3, 7])
    for n in (0, 1, 4):
        picks = class_balanced_random(classes, n, np.random.default_rng(1))
        assert picks.dtype == torch.long and picks.shape == (n,)
        assert torch.equal(picks, class_balanced_random(classes, n, np.random.default_rng(1)))
    assert class_balanced_random(torch.empty(0, dtype=torch.long), 0, np.random.default_rng(0)).shape == (0,)


def test_what_is_not_a_vector_of_classes_is_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="integer vector"):
        class_balanced_random(torch.tensor([0.0, 1.0]), 1, rng)
    with pytest.raises(ValueError, match="integer vector"):
        class_balanced_random(torch.zeros(2, 2, dtype=torch.long), 1, rng)
    with pytest.raises(ValueError, match="cannot pick 3 of 2"):
        class_balanced_random(torch.tensor([0, 1]), 3, rng)
