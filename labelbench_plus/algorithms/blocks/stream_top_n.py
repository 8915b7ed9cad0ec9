"""The exact n best of scores that come in a stream, by counting rather than sorting.

Scores are mapped to integers in the same order, of 32 bits, or of 64 where some are doubles. One pass counts the
upper 16 bits of these keys and finds in which of the 65,536 bins the n-th best lies, the next one counts the 16 below
within that bin, and so on: small tables whatever the number of scores, and tables of parts add up. Ties at the boundary
go to the lowest uid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

BINS = 1 << 16
UID = np.dtype([("f0", "<u8"), ("f1", "<u8")])
"""A uid: its upper and its lower 64 bits."""

LAST_UID = (2**64 - 1, 2**64 - 1)

Uids = Callable[[], np.ndarray]
"""Gives uids (n,) of UID; called only where ties have to be broken, as decoding them may take longer than counting."""

Part = tuple[np.ndarray, Uids]
"""Scores (n,) float32 or float64 and their uids."""

Bits = Literal[32, 64]


class _Wider(ValueError):
    """A part has doubles, and keys of 32 bits cannot tell them apart."""


@dataclass(frozen=True)
class Cut:
    """Which scores are kept: those with a key of `bits` above `key`, and those at `key` with a uid up to `uid`.

    It is all that a stream of scores needs to know to tell its survivors, wherever it is read again. A `threshold` that
    somebody wrote down means its nearest number in the precision of the scores it is compared with.
    """

    key: int
    uid: tuple[int, int]
    bits: Bits = 32
    threshold: bool = False

    @property
    def score(self) -> float:
        """The least score that is kept, of some uids at least."""
        return score_of_key(self.key, self.bits)

    def keeps(self, scores: np.ndarray, uids: Uids) -> np.ndarray:
        """(n,) bool."""
        if self.threshold:
            return np.asarray(scores >= np.asarray(scores).dtype.type(self.score))
        keys = sortable_keys(scores, self.bits)
        kept = keys > np.uint64(self.key)
        tied = np.flatnonzero(keys == np.uint64(self.key))
        if len(tied):
            kept[tied] = True if self.uid == LAST_UID else ~uid_greater(uids()[tied], self.uid)
        return kept


def sortable_keys(scores: np.ndarray, bits: Bits = 32) -> np.ndarray:
    """(n,) unsigned integers of so many bits in the order of the float32 or float64 scores; the two zeros are equal.

    Raises
    ------
    ValueError
        A score is NaN, which has no place in any order.
    """
    if bits == 32 and np.asarray(scores).dtype == np.float64:
        raise _Wider
    whole: Any = np.uint32 if bits == 32 else np.uint64
    values = np.asarray(scores, dtype=f"f{bits // 8}") + np.float32(0)  # turns -0.0 into 0.0
    if np.isnan(values).any():
        raise ValueError(f"score {int(np.flatnonzero(np.isnan(values))[0])} is NaN and cannot be ranked")
    stored, sign = values.view(whole), whole(1 << (bits - 1))
    return np.where(stored & sign, ~stored, stored | sign)


def score_of_key(key: int, bits: Bits = 32) -> float:
    """The score whose key this is."""
    sign = 1 << (bits - 1)
    stored = key ^ sign if key & sign else key ^ (2 * sign - 1)
    return float(np.array(stored, dtype=f"u{bits // 8}").view(f"f{bits // 8}"))


def uid_greater(uids: np.ndarray, limit: tuple[int, int]) -> np.ndarray:
    """(n,) bool: whether each uid comes after `limit`."""
    high, low = np.uint64(limit[0]), np.uint64(limit[1])
    return (uids["f0"] > high) | ((uids["f0"] == high) & (uids["f1"] > low))


def nth_key(keys: Callable[[], Iterable[np.ndarray]], n: int, bits: Bits = 32) -> tuple[int, int, int]:
    """The n-th greatest key (n >= 1), how many are above it and how many equal it.

    Parameters
    ----------
    keys: called once for every 16 of the `bits`, gives the keys as unsigned arrays in any order and of any lengths.

    Raises
    ------
    ValueError
        There are fewer than n.
    """
    found, above = 0, 0
    for shift in range(bits - 16, -1, -16):
        counts = np.zeros(BINS, dtype=np.int64)
        for part in keys():
            inside = part if shift == bits - 16 else part[part >> part.dtype.type(shift + 16) == found]
            counts += np.bincount(((inside >> part.dtype.type(shift)) & 0xFFFF).astype(np.int64), minlength=BINS)
        if not 1 <= n - above <= counts.sum():
            raise ValueError(f"cannot find the {n}th of {counts.sum()} scores")
        here, more = _bin_of(counts, n - above)
        found, above = (found << 16) | here, above + more
    return found, above, int(counts[here])


def top_n(parts: Callable[[], Iterator[Part]], n: int) -> Cut:
    """The cut that keeps exactly the n best, ties going to the lowest uid.

    Parameters
    ----------
    parts: called several times, gives scores and their uids in any order. Uids must be different.
    n: from 0 to their number.

    Raises
    ------
    ValueError
        A score is NaN or n is out of range.
    """
    if n == 0:
        return Cut(2**64 - 1, (0, 0), 64)  # no number has this key
    key, above, equal, bits = _nth(parts, n)
    taken = n - above
    if taken == equal:
        return Cut(key, LAST_UID, bits)
    # Only the `taken` lowest uids seen so far are kept, so that even a pool of equal scores needs little more memory.
    lowest = np.empty(0, dtype=UID)
    for scores, uids in parts():
        tied = sortable_keys(scores, bits) == np.uint64(key)
        if tied.any():
            joined = np.concatenate([lowest, uids()[tied]])
            lowest = joined[np.lexsort((joined["f1"], joined["f0"]))[:taken]]
    return Cut(key, (int(lowest[-1]["f0"]), int(lowest[-1]["f1"])), bits)


def top_n_with_ties(parts: Callable[[], Iterator[Part]], n: int) -> Cut:
    """The cut at the (n + 1)-th greatest score that keeps all that reach it: DataComp's rule, more than n rows.

    Raises
    ------
    ValueError
        A score is NaN, or there are not more than n.
    """
    key, _, _, bits = _nth(parts, n + 1)
    return Cut(key, LAST_UID, bits)


def at_least(threshold: float) -> Cut:
    """The cut that keeps every score from `threshold` upwards."""
    return Cut(int(sortable_keys(np.array([threshold]), 64)[0]), LAST_UID, 64, threshold=True)


def _nth(parts: Callable[[], Iterator[Part]], n: int) -> tuple[int, int, int, Bits]:
    """`nth_key` of scores, and the bits that their keys took."""
    try:
        return *nth_key(lambda: (sortable_keys(scores) for scores, _ in parts()), n), 32
    except _Wider:
        return *nth_key(lambda: (sortable_keys(scores, 64) for scores, _ in parts()), n, 64), 64


def _bin_of(counts: np.ndarray, n: int) -> tuple[int, int]:
    """The bin, counted from the greatest, in which the n-th lies, and how many lie in greater ones."""
    reached = np.cumsum(counts[::-1])
    place = int(np.searchsorted(reached, n))
    return BINS - 1 - place, int(reached[place] - counts[::-1][place])
