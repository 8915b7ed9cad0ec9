"""DIRECT: find each class's threshold on its one-vs-rest order, then label around it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from labelbench_plus.algorithms.blocks.detached import detached
from labelbench_plus.algorithms.galaxy import OneVsRest, check_labelled


@detached
def direct(
    probabilities: Tensor,
    labelled_probabilities: Tensor,
    labels: Tensor,
    n: int,
    rng: Generator,
    *,
    exploration: float = 0.5,
) -> Tensor:
    """Pick a batch that narrows down, then surrounds, the threshold of every class.

    For each class k all rows, labelled and not, stand on a line, most surely k first (`galaxy.OneVsRest`); a
    threshold calls the rows before it k and the others not k.
    1. Narrowing down: a share `exploration` of the batch is spread over the classes; each draws its part uniformly
       from the unlabelled rows of its version space, the stretch of the line where labels leave the threshold open:
       from the last k before the first not-k (or the start) to the first not-k after the last k (or the end).
    2. Surrounding: the rest is spread over the classes; each takes the unlabelled rows nearest to its best
       threshold, the one with the fewest errors on the bought labels, in turn before and after it.
    Spread means equally; what does not divide goes to the classes with the fewest bought labels, which also choose
    first. What a version space cannot provide in step 1 is left to step 2.

    What differs from the original: there step 1 runs in rounds of as many queries as there are parallel annotators,
    and shrinks the version space after each by the answers; step 2 places its threshold with those answers. Here
    the batch is bought at once and no label of the batch is known: it is the original with as many annotators as
    queries, so that the version space shrinks from batch to batch instead, and the threshold of step 2 comes from
    the labels bought before. A threshold with the fewest errors needs no label to be right: noise moves it little,
    unlike GALAXY's bisections; the version space of step 1 does widen with noise.

    Our reading: the batch is split half and half and equally over classes (the authors' code drops the most frequent
    classes if the parts get small); of several best thresholds the one with the fewest rows called k is taken.

    Parameters
    ----------
    probabilities: (N, K) floating point, K >= 2, of the candidates.
    labelled_probabilities: (m, K) the same of what is labelled.
    labels: (m,) integer, their labels, 0 <= label < K.
    n: batch size, 0 <= n <= N.
    rng: consumed in step 1.
    exploration: share of the batch for step 1, from 0 to 1, rounded down.

    Returns
    -------
    (n,) long candidate rows, those of step 1 first, on the device of `probabilities`.

    Raises
    ------
    ValueError
        Rows that are not finite probability vectors, labels that do not fit them, n or exploration out of range.

    Complexity: O(K R log R) time for R = N + m rows, O(R K) memory. K = 2 has one line, as that of class 1 is its
    mirror image. Ties: equal rows labelled ones first, then lowest row; of classes with equally many labels the
    lower one first; of the two sides of a threshold the one before it.
    Source: Nuggehalli, Zhang, Jain and Nowak (2023, arXiv 2312.09196, section 4); the authors'
    code for details.
    """
    known = check_labelled(probabilities, labelled_probabilities, labels, n)
    if not 0 <= exploration <= 1:
        raise ValueError(f"exploration must be between 0 and 1, got {exploration}")
    lines = OneVsRest(probabilities, labelled_probabilities)
    bought = np.bincount(known, minlength=lines.count)[: lines.count]
    rarest_first = np.argsort(bought, kind="stable")
    taken = np.zeros(known.shape[0] + probabilities.shape[0], dtype=bool)
    taken[: known.shape[0]] = True
    orders: dict[int, np.ndarray] = {}
    picks = [np.empty(0, dtype=np.int64)]

    def take(rows: np.ndarray) -> None:
        taken[rows] = True
        picks.append(rows.astype(np.int64))

    for k, part in _spread(int(n * exploration), rarest_first):
        order = orders[k] = lines.order(k)
        places, sides = _marks(order, known, k)
        first, last = _version_space(places, sides, order.shape[0])
        inside = order[first : last + 1]
        inside = inside[~taken[inside]]
        take(rng.choice(inside, size=min(part, inside.shape[0]), replace=False))
    for k, part in _spread(n - sum(rows.shape[0] for rows in picks), rarest_first):
        order = orders.pop(k) if k in orders else lines.order(k)
        places, sides = _marks(order, known, k)
        take(_around(order, taken, _best_threshold(places, sides), part))
    chosen = np.concatenate(picks) - known.shape[0]
    return torch.from_numpy(chosen).to(probabilities.device)


def _spread(total: int, classes: np.ndarray) -> list[tuple[int, int]]:
    """(class, part) for equal parts of `total`, the earlier classes getting one more of what is left over."""
    each, over = divmod(total, classes.shape[0])
    parts = [each + (place < over) for place in range(classes.shape[0])]
    return [(int(k), part) for k, part in zip(classes, parts, strict=True) if part]


def _marks(order: np.ndarray, known: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Places of the labelled rows on a line, ascending, and whether each is of class k."""
    places = np.flatnonzero(order < known.shape[0])
    return places, known[order[places]] == k


def _version_space(places: np.ndarray, sides: np.ndarray, length: int) -> tuple[int, int]:
    """First and last place between which the labels leave the threshold open."""
    before = places[: np.argmin(sides)] if not sides.all() else places
    last_of_class = np.flatnonzero(sides)
    after = places[last_of_class[-1] + 1 :] if last_of_class.size else places
    return (int(before[-1]) if before.size else 0), (int(after[0]) if after.size else length - 1)


def _best_threshold(places: np.ndarray, sides: np.ndarray) -> int:
    """Smallest number of leading rows that, called k with the others not k, errs on the fewest labels."""
    agreement = np.concatenate([[0], np.cumsum(np.where(sides, 1, -1))])
    marks_before = int(np.argmax(agreement))
    return int(places[marks_before - 1]) + 1 if marks_before else 0


def _around(order: np.ndarray, taken: np.ndarray, threshold: int, count: int) -> np.ndarray:
    """The `count` rows not taken that are nearest to a threshold, alternately before and after it."""
    free = np.flatnonzero(~taken[order])
    middle = int(np.searchsorted(free, threshold))
    before, after = free[:middle][::-1][:count], free[middle:][:count]
    turns = np.concatenate([2 * np.arange(before.shape[0]), 2 * np.arange(after.shape[0]) + 1])
    return order[np.concatenate([before, after])[np.argsort(turns)][:count]]
