"""Hypervolume against known answers and against counting random points."""

import json
from pathlib import Path

import numpy as np
import pytest

from labelbench_plus.algorithms.decoding.hypervolume import hypervolume

KNOWN = json.loads((Path(__file__).parent / "known_decoding.json").read_text())["hypervolume"]


@pytest.mark.parametrize("case", KNOWN, ids=lambda case: f"{len(case['points'])} points")
def test_known_volumes(case):
    points = np.array(case["points"], dtype=float)
    assert hypervolume(points, np.array(case["reference"], dtype=float)) == pytest.approx(case["volume"])


@pytest.mark.parametrize("objectives", [2, 3])
def test_the_share_of_a_grid_that_some_point_dominates(objectives):
    rng = np.random.default_rng(0)
    for _ in range(20):
        points = rng.integers(-2, 8, size=(rng.integers(1, 9), objectives))
        cells = np.stack(np.meshgrid(*[np.arange(8)] * objectives), -1).reshape(-1, objectives)
        covered = (points[:, None, :] > cells[None]).all(-1).any(0)
        assert hypervolume(points, np.zeros(objectives)) == covered.sum()
        again = np.concatenate([points, points - 1, points])[rng.permutation(3 * len(points))]
        assert hypervolume(again, np.zeros(objectives)) == covered.sum()


@pytest.mark.parametrize(
    ("points", "reference", "says"),
    [
        (np.zeros((2, 4)), np.zeros(4), "2 or 3 objectives"),
        (np.zeros((2, 3)), np.zeros(2), r"expected \(n, 2\)"),
        (np.array([[np.nan, 1.0]]), np.zeros(2), "finite"),
    ],
)
def test_what_has_no_volume_is_refused(points, reference, says):
    with pytest.raises(ValueError, match=says):
        hypervolume(points, reference)
