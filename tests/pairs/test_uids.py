"""Uid files: DataComp's format, and set algebra."""

from __future__ import annotations

import numpy as np
import pytest

from labelbench_plus.algorithms.blocks.stream_top_n import UID
from labelbench_plus.pairs.uids import (
    contained,
    difference,
    intersection,
    read_uids,
    repeated,
    uid_order,
    uids_from_hex,
    uids_to_hex,
    union,
    write_uids,
)
from tests.pairs import shared_pool


def drawn(rows: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    uids = np.empty(rows, dtype=UID)
    for name in ("f0", "f1"):
        uids[name] = rng.integers(2**64, size=rows, dtype=np.uint64)
    return uids


def resharder_finds(file: np.ndarray, uid: tuple[int, int]) -> int:
    """How often DataComp's resharder writes a sample: from the left to the right end of its uid's run."""
    listed = [tuple(map(int, entry)) for entry in file.tolist()]
    import bisect

    return bisect.bisect_right(listed, uid) - bisect.bisect_left(listed, uid)


def test_check_11_round_trip_from_hexadecimal():
    texts = ["0" * 32, "f" * 32, "0000000000000001" + "00000000000000Ab", "DEADBEEF" * 4]
    uids = uids_from_hex(texts, "test")
    assert uids.dtype == UID
    assert [(int(a), int(b)) for a, b in uids.tolist()] == [(int(t[:16], 16), int(t[16:], 16)) for t in texts]
    assert uids_to_hex(uids) == [text.lower() for text in texts]


@pytest.mark.parametrize("bad", ["0" * 31, "0" * 33, "g" + "0" * 31, "é" + "0" * 31, None])
def test_check_11_what_is_no_uid_is_refused(bad):
    with pytest.raises(ValueError, match=r"pool\.parquet, row 1: a uid must be 32"):
        uids_from_hex(["0" * 32, bad], "pool.parquet")


def test_check_11_file_is_sorted_without_duplicates(tmp_path):
    uids, file = drawn(5000), tmp_path / "kept.npy"
    assert write_uids(file, lambda: np.array_split(uids, 7)) == 5000
    content = np.load(file)
    assert content.dtype == np.dtype("u8,u8") and content.ndim == 1
    assert np.array_equal(content, uids[uid_order(uids)])
    assert np.array_equal(read_uids(file), content)
    write_uids(tmp_path / "again.npy", lambda: np.array_split(uids[::-1], 3))
    assert (tmp_path / "again.npy").read_bytes() == file.read_bytes()
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["again.npy", "kept.npy"]
    with pytest.raises(ValueError, match="more than once"):
        write_uids(file, lambda: [uids, uids[:1]])
    assert np.array_equal(read_uids(file), content)


def test_check_11_the_resharder_finds_each_once_and_no_other(tmp_path):
    uids, file = drawn(300), tmp_path / "kept.npy"
    write_uids(file, lambda: [uids[:100]])
    listed = read_uids(file)
    assert [resharder_finds(listed, uid) for uid in uids.tolist()] == [1] * 100 + [0] * 200


def test_check_11_repetitions_are_honoured(tmp_path):
    uids, file = drawn(3), tmp_path / "kept.npy"
    write_uids(file, lambda: [uids[[0, 1, 1, 2, 2, 2]]], repetitions=True)
    assert [resharder_finds(read_uids(file), uid) for uid in uids.tolist()] == [1, 2, 3]


def test_an_empty_file(tmp_path):
    assert write_uids(tmp_path / "none.npy", lambda: [drawn(0)]) == 0
    assert len(read_uids(tmp_path / "none.npy")) == 0


def test_files_that_are_something_else_are_refused(tmp_path):
    file = tmp_path / "uids.npy"
    np.save(file, np.arange(3))
    with pytest.raises(ValueError, match="expected a one-dimensional array of u8,u8"):
        read_uids(file)
    uids = drawn(10)
    np.save(file, uids[uid_order(uids)][::-1])
    with pytest.raises(ValueError, match="entry 1 is below"):
        read_uids(file)


def test_set_algebra():
    uids = drawn(60)
    uids["f0"][:40] = 5  # many that agree in the upper half
    left, right = np.sort(uids[:40]), np.sort(uids[20:])
    sets = set(left.tolist()), set(right.tolist())
    for ours, expected in (
        (union(left, right), sets[0] | sets[1]),
        (intersection(left, right), sets[0] & sets[1]),
        (difference(left, right), sets[0] - sets[1]),
    ):
        assert ours.tolist() == sorted(expected)
    assert contained(uids, left).tolist() == [uid in sets[0] for uid in uids.tolist()]
    assert len(intersection(left, left[:0])) == 0 and not contained(uids, left[:0]).any()


def test_repetitions_are_found_in_bounded_memory():
    uids = drawn(1000)
    doubled = np.concatenate([uids, uids[[3, 77]]])
    for memory in (10, 10_000):
        found = repeated(lambda: np.array_split(doubled, 5), len(doubled), memory)
        assert found.tolist() == sorted(uids[[3, 77]].tolist())
    assert len(repeated(lambda: [uids], len(uids))) == 0


def test_check_11_the_shared_pool_s_own_list(tmp_path):
    shared_pool.required()
    pool = shared_pool.expected()["pool_uid"]
    write_uids(tmp_path / "all.npy", lambda: [pool])
    assert read_uids(tmp_path / "all.npy").tolist() == shared_pool.expected()["dc_no_filter"].tolist()
