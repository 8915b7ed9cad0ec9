"""DataComp's uid files, and set algebra on them.

A uid is 32 hexadecimal digits, kept as two 64-bit numbers (numpy "u8,u8"). A file is a one-dimensional `.npy` of them
in ascending order; DataComp's resharder looks each sample up by binary search and writes it as often as it is listed.
An unsorted file would silently drop data.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from labelbench_plus.algorithms.blocks.stream_top_n import UID
from labelbench_plus.store.atomic import replacing

DIGITS = 32
BUCKETS = 256
_NIBBLES = np.full(256, 255, dtype=np.uint8)
for _digit in range(16):
    _NIBBLES[ord(f"{_digit:x}")] = _NIBBLES[ord(f"{_digit:X}")] = _digit


def uids_from_hex(column: Any, where: str) -> np.ndarray:
    """Uids (n,) of strings of 32 hexadecimal digits, in their order.

    Parameters
    ----------
    column: a pyarrow string array, or a sequence of str.
    where: what the strings are, for messages.

    Raises
    ------
    ValueError
        One of them is something else; the message names the first.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    array = column if isinstance(column, pa.Array | pa.ChunkedArray) else pa.array(list(column), type=pa.string())
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    array = array.dictionary_decode() if pa.types.is_dictionary(array.type) else array
    if not (pa.types.is_string(array.type) or array.type in (pa.large_string(), pa.binary(), pa.large_binary())):
        raise ValueError(f"{where}: a uid must be 32 hexadecimal digits, as text; these are {array.type}")
    binary = array.cast(pa.large_binary())
    right = pc.equal(pc.binary_length(binary), DIGITS).fill_null(False).to_numpy(zero_copy_only=False)
    if not right.all():
        _refuse(array, int(np.flatnonzero(~right)[0]), where)
    if not len(array):
        return np.empty(0, dtype=UID)
    fixed = binary.cast(pa.binary(DIGITS))
    text = np.frombuffer(fixed.buffers()[1], dtype=np.uint8)[fixed.offset * DIGITS :][: len(fixed) * DIGITS]
    nibbles = _NIBBLES[text].reshape(-1, DIGITS)
    if (wrong := (nibbles == 255).any(axis=1)).any():
        _refuse(array, int(np.flatnonzero(wrong)[0]), where)
    octets = (nibbles[:, ::2] << 4) | nibbles[:, 1::2]
    halves = np.ascontiguousarray(octets).view(">u8")
    uids = np.empty(len(halves), dtype=UID)
    uids["f0"], uids["f1"] = halves[:, 0], halves[:, 1]
    return uids


def _refuse(array: Any, row: int, where: str) -> None:
    raise ValueError(f"{where}, row {row}: a uid must be 32 hexadecimal digits, got {array[row].as_py()!r}")


def uids_to_hex(uids: np.ndarray) -> list[str]:
    """The 32 lower-case digits of each uid."""
    return [f"{high:016x}{low:016x}" for high, low in zip(uids["f0"].tolist(), uids["f1"].tolist(), strict=True)]


def uid_order(uids: np.ndarray) -> np.ndarray:
    """(n,) indices that sort uids in ascending order, equal ones in their order."""
    return np.lexsort((uids["f1"], uids["f0"]))


def read_uids(path: Path) -> np.ndarray:
    """The uids of a file, mapped into memory.

    Raises
    ------
    FileNotFoundError, ValueError
        There is none, or it is no ascending `.npy` file of "u8,u8".
    """
    uids = np.load(path, mmap_mode="r", allow_pickle=False)
    if uids.ndim != 1 or uids.dtype != UID:
        raise ValueError(f"{path}: expected a one-dimensional array of u8,u8, got {uids.dtype} {uids.shape}")
    for start in range(0, len(uids), 1 << 22):
        part = uids[start : start + (1 << 22) + 1]
        if (late := _descends(part)).any():
            row = start + int(np.flatnonzero(late)[0]) + 1
            raise ValueError(f"{path}: uids must ascend, but entry {row} is below the one before it; sort the file")
    return uids


def write_uids(path: Path, parts: Callable[[], Iterable[np.ndarray]], *, repetitions: bool = False) -> int:
    """Write the uids of all parts, sorted, in one step. Returns how many.

    Memory holds one of 256 buckets by first byte at a time, not the file.

    Parameters
    ----------
    parts: called twice, gives uids in any order.
    repetitions: whether a uid may be listed more than once, which means that its sample is repeated.

    Raises
    ------
    ValueError
        A uid is listed twice without `repetitions`.
    """
    counts = np.zeros(BUCKETS, dtype=np.int64)
    for part in parts():
        counts += np.bincount(_bucket(part), minlength=BUCKETS)
    total, ends = int(counts.sum()), np.cumsum(counts)
    with replacing(path) as temporary:
        if total:
            _fill(temporary, parts, total, ends - counts, ends, repetitions)
        else:
            with open(temporary, "wb") as file:
                np.save(file, np.empty(0, dtype=UID))
    return total


def _fill(
    path: Path,
    parts: Callable[[], Iterable[np.ndarray]],
    total: int,
    starts: np.ndarray,
    ends: np.ndarray,
    repetitions: bool,
) -> None:
    mapped = np.lib.format.open_memmap(path, mode="w+", dtype=UID, shape=(total,))
    place = starts.copy()
    for part in parts():
        buckets = _bucket(part)
        order = np.argsort(buckets, kind="stable")
        for bucket, some in zip(*_runs(buckets[order]), strict=True):
            chosen = part[order[some]]
            mapped[place[bucket] : place[bucket] + len(chosen)] = chosen
            place[bucket] += len(chosen)
    for start, end in zip(starts, ends, strict=True):
        found = np.array(mapped[start:end])
        found = found[uid_order(found)]
        if not repetitions and (twice := found[1:] == found[:-1]).any():
            name = uids_to_hex(found[1:][twice][:1])[0]
            raise ValueError(f"uid {name} is listed more than once; allow repetitions if that is intended")
        mapped[start:end] = found
    mapped.flush()


def _runs(values: np.ndarray) -> tuple[list[int], list[slice]]:
    """The distinct values of a sorted array, and where each lies."""
    starts = np.flatnonzero(np.r_[True, values[1:] != values[:-1]]) if len(values) else np.empty(0, dtype=np.int64)
    ends = np.r_[starts[1:], len(values)] if len(values) else starts
    return values[starts].tolist(), [slice(int(a), int(b)) for a, b in zip(starts, ends, strict=True)]


def union(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Uids in either, ascending, each once."""
    return _merged(left, right)[0]


def intersection(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Uids in both, ascending, each once."""
    values, in_left, in_right = _merged(left, right)
    return values[in_left & in_right]


def difference(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Uids in `left` alone, ascending, each once."""
    values, in_left, in_right = _merged(left, right)
    return values[in_left & ~in_right]


def contained(uids: np.ndarray, listed: np.ndarray) -> np.ndarray:
    """(n,) bool: which of `uids` are in the ascending array `listed`."""
    upper = np.ascontiguousarray(listed["f0"])
    first, end = (np.searchsorted(upper, uids["f0"], side) for side in ("left", "right"))
    found = end > first
    found[found] = listed["f1"][first[found]] == uids["f1"][found]
    several = np.flatnonzero((end - first > 1) & ~found)  # agree in their upper half, which random uids do not
    if len(several):
        both = np.concatenate([uids[several], listed])
        order = uid_order(both)
        values = both[order]
        group = np.cumsum(np.r_[True, values[1:] != values[:-1]]) - 1
        is_listed = np.zeros(int(group[-1]) + 1, dtype=bool)
        is_listed[group[order >= len(several)]] = True
        there = np.empty(len(both), dtype=bool)
        there[order] = is_listed[group]
        found[several] = there[: len(several)]
    return found


def repeated(parts: Callable[[], Iterable[np.ndarray]], rows: int, memory_rows: int = 1 << 25) -> np.ndarray:
    """Uids that occur more than once over all parts, each once; looks at `memory_rows` uids at a time or so.

    Parameters
    ----------
    parts: called once for each stretch of the uids' range. rows: how many there are in all.
    """
    stretches = min(BUCKETS, -(-rows // memory_rows))
    limits = np.linspace(0, BUCKETS, stretches + 1).astype(np.int64)
    found = [np.empty(0, dtype=UID)]
    for low, high in itertools.pairwise(limits.tolist()):
        some = [part[(_bucket(part) >= low) & (_bucket(part) < high)] for part in parts()]
        values = np.concatenate([np.empty(0, dtype=UID), *some])
        values = values[uid_order(values)]
        found.append(np.unique(values[1:][values[1:] == values[:-1]]))
    return np.concatenate(found)


def _merged(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The distinct uids of both in ascending order, and which of them are in each."""
    both = np.concatenate([left, right])
    order = uid_order(both)
    values = both[order]
    first = np.r_[True, values[1:] != values[:-1]] if len(both) else np.empty(0, dtype=bool)
    group = np.cumsum(first) - 1
    sides = []
    for of_side in (order < len(left), order >= len(left)):
        there = np.zeros(int(first.sum()), dtype=bool)
        there[group[of_side]] = True
        sides.append(there)
    return values[first], sides[0], sides[1]


def _bucket(uids: np.ndarray) -> np.ndarray:
    return (uids["f0"] >> np.uint64(56)).astype(np.int64)


def _descends(uids: np.ndarray) -> np.ndarray:
    """(n − 1,) bool: whether each uid is below the one before it."""
    before, after = uids[:-1], uids[1:]
    return (after["f0"] < before["f0"]) | ((after["f0"] == before["f0"]) & (after["f1"] < before["f1"]))
