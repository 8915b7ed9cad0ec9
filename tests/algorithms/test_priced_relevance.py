from itertools import combinations

import numpy as np
import pytest

from labelbench_plus.algorithms.priced_relevance import priced_relevance, relevance_for_money
from labelbench_plus.algorithms.relevance import l1_relevance


def brute_force(heads, target, prices, opening, worth) -> float:
    """The least cost over all supports of at most k sources; longer ones cannot be better."""
    best = np.inf
    for size in range(1, len(target) + 1):
        for support in map(list, combinations(range(heads.shape[1]), size)):
            part = np.linalg.lstsq(heads[:, support], target, rcond=None)[0]
            if np.linalg.norm(heads[:, support] @ part - target) <= 1e-8 * np.linalg.norm(target):
                length = np.sqrt(prices[support]) @ np.abs(part)
                best = min(best, opening[support].sum() + worth * length**2)
    return best


def instance(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    heads = rng.normal(size=(3, 8))
    target = heads[:, :2] @ rng.normal(size=2) if seed % 2 else rng.normal(size=3)
    return heads, target, rng.uniform(0.5, 3, 8), rng.uniform(0, 10, 8)


def test_equals_brute_force_on_nearly_all_small_instances():
    equal = 0
    for seed in range(100):
        heads, target, prices, opening = instance(seed)
        found = priced_relevance(heads, target, prices, opening, worth=1.0)
        assert np.abs(heads @ found.relevance - target).max() < 1e-7
        cost = found.opening + found.length**2
        assert np.isclose(found.length, np.sqrt(prices) @ np.abs(found.relevance))
        equal += cost <= brute_force(heads, target, prices, opening, 1.0) * (1 + 1e-9)
    assert equal >= 97


def test_without_prices_it_is_plain_l1():
    rng = np.random.default_rng(1)
    heads, target, ones = rng.normal(size=(4, 30)), rng.normal(size=4), np.ones(30)
    plain = l1_relevance(heads, target)
    assert np.allclose(priced_relevance(heads, target, ones, 0 * ones, 1.0).relevance, plain)
    assert np.array_equal(relevance_for_money(heads, target, ones, 0 * ones, 100.0), plain)


@pytest.mark.parametrize("seed", range(10))
def test_for_money_no_set_of_sources_does_better(seed):
    heads, target, prices, opening = instance(seed)
    money = 25.0
    found = relevance_for_money(heads, target, prices, opening, money)

    def risk(support, part):
        rest = money - opening[support].sum()
        return (np.sqrt(prices[support]) @ np.abs(part)) ** 2 / rest if rest > 0 else np.inf

    support = np.flatnonzero(found)
    best = np.inf
    for size in (1, 2, 3):
        for other in map(list, combinations(range(8), size)):
            part = np.linalg.lstsq(heads[:, other], target, rcond=None)[0]
            if np.linalg.norm(heads[:, other] @ part - target) <= 1e-8 * np.linalg.norm(target):
                best = min(best, risk(other, part))
    assert risk(support, found[support]) <= best * (1 + 1e-9)


def test_what_cannot_be_had_is_refused():
    heads, target, prices, opening = instance(0)
    with pytest.raises(ValueError, match="no solution"):
        priced_relevance(np.eye(3)[:, :2], np.eye(3)[2], prices[:2], opening[:2], 1.0)
    with pytest.raises(ValueError, match=r"costs .*, of 0\.5 in all"):
        relevance_for_money(heads, target, prices, opening + 1, 0.5)
    with pytest.raises(ValueError, match="worth must be positive"):
        priced_relevance(heads, target, prices, opening, 0.0)
    with pytest.raises(ValueError, match="8 positive numbers"):
        priced_relevance(heads, target, -prices, opening, 1.0)
