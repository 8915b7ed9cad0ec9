"""The two traps: what is hard where, by nearest neighbours on everything."""

from __future__ import annotations

import numpy as np
from sklearn.neighbors import KNeighborsClassifier

from labelbench_plus.plugins import registry


def built(name, **given):
    return registry("datasets").build({"name": name, **given}).load()


def test_the_honeypot_teaches_nothing_and_is_not_tested():
    data = built("honeypot")
    near = np.linalg.norm(data.pool.array - [0.5, 0.25], axis=1) < 0.2
    assert 0.15 < near.mean() < 0.25
    assert abs(data.pool.labels[near].mean() - 0.5) < 0.1
    inside = KNeighborsClassifier(15).fit(data.pool.array[near], data.pool.labels[near])
    again = built("honeypot", pool=3000)
    there = np.linalg.norm(again.pool.array - [0.5, 0.25], axis=1) < 0.2
    assert abs(inside.score(again.pool.array[there], again.pool.labels[there]) - 0.5) < 0.1
    outside = KNeighborsClassifier(5).fit(data.pool.array[~near], data.pool.labels[~near])
    assert outside.score(data.test.array, data.test.labels) > 0.97
    assert (np.linalg.norm(data.test.array - [0.5, 0.25], axis=1) < 0.2).mean() < 0.02


def test_diverging_sines_are_hard_where_they_cross_and_far_apart_where_they_are_easy():
    data = built("diverging_sine")
    x, y = data.pool.array.T
    near, far = x < 4, x > 11
    assert np.abs(y[far]).min() > 2 and (data.pool.labels[far] == (y[far] < 0)).all()
    assert np.abs(y[far]).mean() > 3 * np.abs(y[near]).mean()
    one = KNeighborsClassifier(1).fit(data.pool.array, data.pool.labels)
    test = data.test.array[:, 0]
    assert one.score(data.test.array[test > 11], data.test.labels[test > 11]) == 1
    assert 0.8 < one.score(data.test.array[test < 4], data.test.labels[test < 4]) < 1
