"""GALAXY as a batch method, with the first rows of the pool as what is labelled."""

from __future__ import annotations

import numpy as np

from benchmarks.speed.case import Case, SpeedSetting
from labelbench_plus.algorithms.galaxy import galaxy


def labelled_rows(setting: SpeedSetting) -> int:
    return min(500, len(setting.pool.labels) // 5, len(setting.pool.labels) - setting.batch)


def ours(setting: SpeedSetting) -> np.ndarray:
    m, pool = labelled_rows(setting), setting.pool
    rng = np.random.default_rng(setting.seed)
    p = pool.probabilities
    return galaxy(p[m:], p[:m], pool.labels[:m], setting.batch, rng).numpy() + m


def textbook(setting: SpeedSetting) -> np.ndarray:
    """For every pick: all labelled places of a line, all runs and all distances to cuts between them."""
    m, rng = labelled_rows(setting), np.random.default_rng(setting.seed)
    p = setting.pool.probabilities.numpy()
    top = p.max(axis=1)
    believed = p.argmax(axis=1)
    believed[:m] = setting.pool.labels[:m].numpy()
    marked = np.arange(len(p)) < m
    lines: dict[int, np.ndarray] = {}
    at_random: list[int] = []
    picks = []
    for k in rng.integers(p.shape[1], size=setting.batch).tolist():
        if k not in lines:
            own = p[:, k]
            lines[k] = np.argsort(-np.where(own >= top, own, own - top), kind="stable")
        line = lines[k]
        free = ~marked[line]
        marks = np.flatnonzero(~free)
        side = believed[line[marks]] == k
        before, after = marks[:-1][side[1:] != side[:-1]], marks[1:][side[1:] != side[:-1]]
        length = after - before - 1
        if (length > 0).any():
            shortest = np.flatnonzero(length > 0)[length[length > 0].argmin()]
            row = line[(before[shortest] + after[shortest]) // 2]
        elif len(before):
            places = np.flatnonzero(free)
            cut = np.searchsorted(before, places)  # the first cut at or after each place, and the one before it
            to_next = np.where(cut < len(before), before[np.minimum(cut, len(before) - 1)] - places, len(line))
            to_last = np.where(cut > 0, places - after[np.maximum(cut, 1) - 1], len(line))
            row = line[places[np.minimum(to_next, to_last).argmin()]]
        else:
            at_random = at_random or (m + rng.permutation(len(p) - m)).tolist()
            row = next(candidate for candidate in at_random if not marked[candidate])
        marked[row] = True
        picks.append(int(row))
    return np.array(picks)


def classes_found(setting: SpeedSetting, picks: np.ndarray) -> float:
    return float(len(np.unique(setting.pool.labels.numpy()[picks])))


CASE = Case(
    ours=ours,
    textbook=textbook,
    quality=classes_found,
    quality_name="classes among the picks (more is better)",
    same_picks=True,
    axes=frozenset({"K", "B"}),
)
