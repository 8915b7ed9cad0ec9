"""What sentences and ranks claim of a setting, over random tables: no more than its tests say, in the family stated."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from labelbench_plus.leaderboard import build_board
from labelbench_plus.leaderboard.formatting import sentence_list
from labelbench_plus.leaderboard.setting import BoardSetting
from labelbench_plus.leaderboard.statistics import holm, pairwise_tests, rank_ranges
from labelbench_plus.leaderboard.text import findings

from .synthetic import meta, synthetic_curves


def setting_of(seed: int, higher_is_better: bool = True) -> BoardSetting:
    rng = np.random.default_rng(seed)
    strategies = {"random": 0.0} | {f"s{i}": gain for i, gain in enumerate(rng.normal(0, 0.02, 7))}
    curves = synthetic_curves(strategies, range(4), budgets=(10.0, 20.0, 40.0), generator_seed=seed)
    curves = curves.assign(nll=lambda frame: 1 - frame["accuracy"])
    metric = "accuracy" if higher_is_better else "nll"
    curves = curves[~((curves["strategy"] == "s3") & (curves["seed"] >= rng.integers(2, 5)))]  # missing seeds
    declared = meta(budgets=(10.0, 20.0, 40.0), metric=metric, higher_is_better=higher_is_better)
    return build_board(curves, declared).settings[0]


@pytest.mark.parametrize("seed", range(12))
def test_every_claim_is_true_of_the_table_beside_it(seed: int) -> None:
    setting = setting_of(seed, higher_is_better=bool(seed % 2))
    tests, said = setting.tests, findings(setting, "random")
    sign = 1 if setting.higher_is_better else -1
    differ = {
        (a, b)
        for (i, a), (j, b) in combinations(enumerate(tests.names), 2)
        if tests.adjusted[i, j] <= 0.05
    }  # fmt: skip
    assert not {(a, b) for a, b in differ if a in setting.leaders and b in setting.leaders}  # none called tied differs
    if 1 < len(setting.leaders) < len(tests.names):
        assert f"{len(differ)} of 28 pairs differ significantly (adjusted over all pairs)." in said
        assert f"Leading group, in which no two differ significantly: {sentence_list(setting.leaders)}." in said
    elif len(setting.leaders) == len(tests.names):
        assert not differ
    else:
        assert all({setting.leaders[0], name} in map(set, differ) for name in tests.names if name != setting.leaders[0])
    base = tests.names.index("random")
    others = [i for i in range(8) if i != base]
    adjusted = holm(tests.p[others, base])
    better = {
        tests.names[i]
        for i, p in zip(others, adjusted, strict=True)
        if p <= 0.05 and sign * tests.difference[i, base] > 0
    }
    assert set(setting.beats_baseline) == better
    assert any(sentence.startswith(f"Significantly better than random ({len(better)} of 7") for sentence in said)


def test_ranges_may_overlap_although_two_differ() -> None:
    rng = np.random.default_rng(0)
    noise = {name: rng.normal(0, scale, 5) for name, scale in (("a", 0.01), ("b", 3.0), ("c", 0.01))}
    values = {
        name: dict(enumerate(height + noise[name])) for name, height in (("a", 2.0), ("b", 1.5), ("c", 1.0))
    }  # fmt: skip
    tests = pairwise_tests(values)
    ranges = rank_ranges(tests, higher_is_better=True)
    assert tests.adjusted[0, 2] <= 0.05
    assert ranges["a"].worst >= ranges["c"].best  # they share rank 2


def test_pairs_among_others_take_nothing_from_a_comparison_with_the_baseline() -> None:
    setting = setting_of(3)
    base = setting.tests.names.index("random")
    for name, p in setting.against_baseline.items():
        i = setting.tests.names.index(name)
        raw, of_all = setting.tests.p[i, base], setting.tests.adjusted[i, base]
        assert raw <= p <= of_all + 1e-12 or np.isnan([raw, p, of_all]).all()  # too few seeds: NaN in each


def test_where_the_truth_is_known_nobody_is_called_better() -> None:
    about = replace(meta().about("digits"), knows_truth=True)
    board = build_board(synthetic_curves(), replace(meta(), problems={"digits": about}))
    assert board.settings[0].beats_baseline == () == board.settings[0].leaders
