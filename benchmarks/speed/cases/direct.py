"""DIRECT as a batch method, with the first rows of the pool as what is labelled."""

from __future__ import annotations

import numpy as np

from benchmarks.speed.case import Case, SpeedSetting
from benchmarks.speed.cases.galaxy import classes_found, labelled_rows
from labelbench_plus.algorithms.direct import direct


def ours(setting: SpeedSetting) -> np.ndarray:
    m, pool = labelled_rows(setting), setting.pool
    rng = np.random.default_rng(setting.seed)
    return direct(pool.probabilities[m:], pool.probabilities[:m], pool.labels[:m], setting.batch, rng).numpy() + m


def textbook(setting: SpeedSetting) -> np.ndarray:
    """For every class: sort its line, find the version space and the best threshold, walk outwards pick by pick."""
    m, rng = labelled_rows(setting), np.random.default_rng(setting.seed)
    p, labels = setting.pool.probabilities.numpy(), setting.pool.labels.numpy()
    top, classes = p.max(axis=1), p.shape[1]
    taken = np.arange(len(p)) < m
    first_half, picks = setting.batch // 2, []
    rarest = np.argsort(np.bincount(labels[:m], minlength=classes), kind="stable")
    for total, explore in ((first_half, True), (setting.batch - first_half, False)):
        for place, k in enumerate(rarest):
            part = total // classes + (place < total % classes)
            line = np.argsort(-np.where(p[:, k] >= top, p[:, k], p[:, k] - top), kind="stable")
            marks = np.flatnonzero(line < m)
            side = labels[line[marks]] == k
            if explore:
                first_not = np.flatnonzero(~side)[0] if (~side).any() else len(side)
                last_k = np.flatnonzero(side)[-1] if side.any() else -1
                low = marks[first_not - 1] if first_not else 0
                high = marks[last_k + 1] if last_k + 1 < len(marks) else len(line) - 1
                inside = line[low : high + 1]
                inside = inside[~taken[inside]]
                chosen = rng.choice(inside, size=min(part, len(inside)), replace=False).tolist()
            else:
                errors = [(~side[:cut]).sum() + side[cut:].sum() for cut in range(len(marks) + 1)]
                cut = int(np.argmin(errors))
                threshold = marks[cut - 1] + 1 if cut else 0
                before = [row for row in line[:threshold][::-1] if not taken[row]][:part]
                after = [row for row in line[threshold:] if not taken[row]][:part]
                turns = [row for i in range(part) for side_rows in (before, after) for row in side_rows[i : i + 1]]
                chosen = turns[:part]
            taken[chosen] = True
            picks += chosen
    return np.array(picks)


CASE = Case(
    ours=ours,
    textbook=textbook,
    quality=classes_found,
    quality_name="classes among the picks (more is better)",
    same_picks=False,
    axes=frozenset({"K", "B"}),
)
