"""Fixed splits: the same for every run, every strategy and every machine."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def random_split(count: int, sizes: Sequence[int], seed: int) -> tuple[np.ndarray, ...]:
    """Divide `count` examples at random into parts of these sizes, which add up to it: see `stratified_split`."""
    return stratified_split(np.zeros(count, dtype=np.int64), sizes, seed)


def stratified_split(labels: np.ndarray, sizes: Sequence[int], seed: int) -> tuple[np.ndarray, ...]:
    """Divide examples at random into parts in which every class has its fair share.

    Class by class, a part takes its share of what the earlier parts left, rounded down or up so that the part
    has exactly its size (largest remainders; equal ones go to the lower class). Which examples of a class go
    where is random. The indices of a part come in random order too, so that "lowest index first", the usual
    way to break a tie, does not mean "lowest class first" where a source is sorted by class.

    The randomness is the raw 64-bit stream of `PCG64(SeedSequence(seed))`, which NumPy promises to keep,
    unlike what `Generator` makes of it: a split is the same under every version of NumPy.

    Parameters
    ----------
    labels: (n,) integers, the classes.
    sizes: how many examples each part gets; together n.
    seed: the split's own seed, at least 0; not a run's.

    Returns
    -------
    One int64 array of indices for every part; together they are 0..n-1. Time O(n log n + nK) for K classes.

    Raises
    ------
    ValueError
        `labels` are not a line of integers, or `sizes` are not positive numbers that add up to n.
    """
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"labels must be (n,) integers, got {labels.dtype} {labels.shape}")
    if min(sizes, default=0) < 1 or sum(sizes) != len(labels):
        raise ValueError(
            f"sizes must be positive and add up to {len(labels)} examples, got {list(sizes)} = {sum(sizes)}"
        )
    draws = np.random.PCG64(np.random.SeedSequence(seed)).random_raw(len(labels))
    shuffled = np.argsort(draws, kind="stable")
    classes, class_of = np.unique(labels[shuffled], return_inverse=True)
    queues = [np.flatnonzero(class_of == k) for k in range(len(classes))]  # places in `shuffled`
    parts = []
    for size in sizes:
        left = np.array([len(queue) for queue in queues])
        takes, remainders = np.divmod(left * size, left.sum())
        takes[np.argsort(-remainders, kind="stable")[: size - takes.sum()]] += 1
        places = np.concatenate([queue[:take] for queue, take in zip(queues, takes, strict=True)])
        parts.append(shuffled[np.sort(places)])
        queues = [queue[take:] for queue, take in zip(queues, takes, strict=True)]
    return tuple(parts)
