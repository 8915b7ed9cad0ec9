"""The published table done again: its arithmetic, and whether what results/README says of it is so."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.rebenchmark.compare import OURS, RESULTS, Row, area, rows, table


def test_an_area_is_the_trapezoid_over_labels_divided_by_the_points():
    assert area(np.array([0.5, 0.7, 0.9])) == pytest.approx((0.6 + 0.8) / 3)


def test_means_are_compared_in_standard_errors_of_both_and_gains_seed_by_seed():
    ours, random = np.array([0.8, 0.9]), np.array([0.7, 0.75])
    row = Row("a", "US-C", mean=0.8, sd=0.5, areas=ours, random=random, seconds=1.0)
    assert row.apart == pytest.approx(0.05 / math.hypot(0.05, 0.05))
    mean, half = row.gain
    assert mean == pytest.approx(0.125) and half == pytest.approx(0.025 * 12.7062, rel=1e-4)


def test_every_published_mean_is_within_three_standard_errors_of_ours():
    found = list(rows())
    assert len(found) == 5 * len(OURS)
    assert not [(row.dataset, row.method, row.apart) for row in found if abs(row.apart) > 3]


def test_results_show_the_table():
    assert table() in (RESULTS / "README.md").read_text(encoding="utf-8")
