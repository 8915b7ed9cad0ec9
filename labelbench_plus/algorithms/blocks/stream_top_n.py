"""The exact n best of scores that come in a stream, by counting rather than sorting.

Scores are mapped to 32-bit integers in the same order. One pass counts the upper halves of these keys and finds in
which of the 65,536 bins the n-th best lies, a second one counts the lower halves within that bin: two small tables
whatever the number of scores, and tables of parts add up. Ties at the boundary go to the lowest uid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

BINS = 1 << 16
UID = np.dtype([("f0", "<u8"), ("f1", "<u8")])
"""A uid: its upper and its lower 64 bits."""

LAST_UID = (2**64 - 1, 2**64 - 1)

Uids = Callable[[], np.ndarray]
"""Gives uids (n,) of UID; called only where ties have to be broken, as decoding them may take longer than counting."""

Part = tuple[np.ndarray, Uids]
"""Scores (n,) float32 and their uids."""


@dataclass(frozen=True)
class Cut:
    """Which scores are kept: those with a key above `key`, and those at `key` with a uid up to `uid`.

    It is all that a stream of scores needs to know to tell its survivors, wherever it is read again.
    """

    key: int
    uid: tuple[int, int]

    def keeps(self, scores: np.ndarray, uids: Uids) -> np.ndarray:
        """(n,) bool."""
        keys = sortable_keys(scores)
        kept = keys > np.uint64(self.key)
        tied = np.flatnonzero(keys == np.uint64(self.key))
        if len(tied):
            kept[tied] = True if self.uid == LAST_UID else ~uid_greater(uids()[tied], self.uid)
        return kept


def sortable_keys(scores: np.ndarray) -> np.ndarray:
    """(n,) uint32 in the order of the float32 scores; the two zeros are equal.

    Raises
    ------
    ValueError
        A score is NaN, which has no place in any order.
    """
    single = np.asarray(scores, dtype=np.float32) + np.float32(0)  # turns -0.0 into 0.0
    if np.isnan(single).any():
        raise ValueError(f"score {int(np.flatnonzero(np.isnan(single))[0])} is NaN and cannot be ranked")
    bits = single.view(np.uint32)
    return np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))


def score_of_key(key: int) -> float:
    """The score whose key this is."""
    bits = key ^ (1 << 31) if key >> 31 else key ^ 0xFFFFFFFF
    return float(np.array(bits, dtype=np.uint32).view(np.float32))


def uid_greater(uids: np.ndarray, limit: tuple[int, int]) -> np.ndarray:
    """(n,) bool: whether each uid comes after `limit`."""
    high, low = np.uint64(limit[0]), np.uint64(limit[1])
    return (uids["f0"] > high) | ((uids["f0"] == high) & (uids["f1"] > low))


def nth_key(keys: Callable[[], Iterable[np.ndarray]], n: int) -> tuple[int, int, int]:
    """The n-th greatest key (n >= 1), how many are above it and how many equal it.

    Parameters
    ----------
    keys: called twice, gives the keys as uint32 arrays in any order and of any lengths.

    Raises
    ------
    ValueError
        There are fewer than n.
    """
    counts = np.zeros(BINS, dtype=np.int64)
    for part in keys():
        counts += np.bincount(part >> 16, minlength=BINS)
    if not 1 <= n <= counts.sum():
        raise ValueError(f"cannot find the {n}th of {counts.sum()} scores")
    upper, above = _bin_of(counts, n)
    counts = np.zeros(BINS, dtype=np.int64)
    for part in keys():
        counts += np.bincount((part[part >> 16 == upper] & 0xFFFF), minlength=BINS)
    lower, more = _bin_of(counts, n - above)
    return (upper << 16) | lower, above + more, int(counts[lower])


def top_n(parts: Callable[[], Iterator[Part]], n: int) -> Cut:
    """The cut that keeps exactly the n best, ties going to the lowest uid.

    Parameters
    ----------
    parts: called two or three times, gives scores and their uids in any order. Uids must be different.
    n: from 0 to their number.

    Raises
    ------
    ValueError
        A score is NaN or n is out of range.
    """
    if n == 0:
        return Cut(0xFFFFFFFF, (0, 0))  # no float32 but a NaN has this key
    key, above, equal = nth_key(lambda: (sortable_keys(scores) for scores, _ in parts()), n)
    taken = n - above
    if taken == equal:
        return Cut(key, LAST_UID)
    # Only the `taken` lowest uids seen so far are kept, so that even a pool of equal scores needs little more memory.
    lowest = np.empty(0, dtype=UID)
    for scores, uids in parts():
        tied = sortable_keys(scores) == np.uint32(key)
        if tied.any():
            joined = np.concatenate([lowest, uids()[tied]])
            lowest = joined[np.lexsort((joined["f1"], joined["f0"]))[:taken]]
    return Cut(key, (int(lowest[-1]["f0"]), int(lowest[-1]["f1"])))


def top_n_with_ties(parts: Callable[[], Iterator[Part]], n: int) -> Cut:
    """The cut at the (n + 1)-th greatest score that keeps all that reach it: DataComp's rule, more than n rows.

    Raises
    ------
    ValueError
        A score is NaN, or there are not more than n.
    """
    key, _, _ = nth_key(lambda: (sortable_keys(scores) for scores, _ in parts()), n + 1)
    return Cut(key, LAST_UID)


def at_least(threshold: float) -> Cut:
    """The cut that keeps every score from `threshold` (taken as float32) upwards."""
    return Cut(int(sortable_keys(np.array([threshold], dtype=np.float32))[0]), LAST_UID)


def _bin_of(counts: np.ndarray, n: int) -> tuple[int, int]:
    """The bin, counted from the greatest, in which the n-th lies, and how many lie in greater ones."""
    reached = np.cumsum(counts[::-1])
    place = int(np.searchsorted(reached, n))
    return BINS - 1 - place, int(reached[place] - counts[::-1][place])
