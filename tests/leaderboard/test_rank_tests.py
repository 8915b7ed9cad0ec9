"""Ours against SciPy's, to the bit: published boards hold these p-values."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import stats

from labelbench_plus.leaderboard.rank_tests import average_ranks, friedman, wilcoxon
from tests.architecture.test_start_up import probe


@pytest.mark.parametrize("decimals", [0, 1, 15])  # many ties and zeros, some, none
@pytest.mark.parametrize("n", [6, 7, 12, 13, 14, 20, 50, 51, 70])
def test_wilcoxon_is_scipys(n, decimals):
    draw = np.random.default_rng([n, decimals])
    for _ in range(3):
        differences = np.round(draw.normal(size=n) + 0.4, decimals)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = stats.wilcoxon(differences).pvalue
        assert wilcoxon(differences) == expected == wilcoxon(-differences)


def test_wilcoxon_of_one_sign_is_as_small_as_can_be():
    assert wilcoxon(np.arange(1.0, 7.0)) == 2 / 2**6
    assert wilcoxon(np.array([1.0, -1.0, 0.0])) == 1.0


@pytest.mark.parametrize("decimals", [0, 1, 15])
@pytest.mark.parametrize("shape", [(6, 3), (12, 19), (47, 8)])
def test_friedman_and_ranks_are_scipys(shape, decimals):
    values = np.round(np.random.default_rng([*shape, decimals]).normal(size=shape), decimals)
    assert friedman(values) == stats.friedmanchisquare(*values.T).pvalue
    assert (average_ranks(values) == stats.rankdata(values, axis=1)).all()


def test_a_ranking_loads_no_scipy_stats():
    probe(
        "import sys, numpy as np\n"
        "from labelbench_plus.leaderboard.statistics import ranking_over_datasets\n"
        "ranking_over_datasets(list('abc'), np.random.default_rng(0).normal(size=(60, 3)), True)\n"
        "assert 'scipy.stats' not in sys.modules"
    )
