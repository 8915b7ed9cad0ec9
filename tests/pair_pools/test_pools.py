"""Pools: what is read is what is stored, and what does not belong together is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labelbench_plus.pair_pools import pair_pools
from labelbench_plus.pair_pools.datacomp import DataComp
from labelbench_plus.pair_pools.generated_pairs import GeneratedPairs
from labelbench_plus.pair_pools.listed_pairs import ListedPairs
from labelbench_plus.pair_pools.pair_arrays import PairArrays
from labelbench_plus.pairs.choose import choose
from labelbench_plus.pairs.uids import uids_from_hex, write_uids
from labelbench_plus.plugins import registry
from labelbench_plus.seeding import Streams
from tests.pairs import shared_pool


def write_shard(folder: Path, number: int, rows: int = 50, width: int = 8, **changed) -> None:
    rng = np.random.default_rng(number)
    vectors = {name: rng.normal(size=(rows, width)).astype(np.float16) for name in ("l14_img", "l14_txt")}
    table = {
        "uid": [f"{number:016x}{row:016x}" for row in range(rows)],
        "text": [f"caption {row}" for row in range(rows)],
        "clip_l14_similarity_score": rng.random(rows).astype(np.float32),
    }
    np.savez_compressed(folder / f"{number:032x}.npz", **{**vectors, **changed})
    pq.write_table(pa.table(table), folder / f"{number:032x}.parquet")


def test_datacomp_is_read_in_pieces(tmp_path):
    write_shard(tmp_path, 2)
    write_shard(tmp_path, 1, rows=30)
    pool = DataComp(tmp_path).open(Streams(0))
    assert [shard.rows for shard in pool.shards] == [30, 50]
    stored = np.load(tmp_path / f"{2:032x}.npz")["l14_txt"]
    for chunk in (1, 7, 1000):
        read = list(pool.vectors(1, "texts", chunk))
        assert max(map(len, read)) <= chunk
        assert np.array_equal(np.concatenate(read), stored) and read[0].dtype == np.float16
    assert pool.uids(1)[3].tolist() == (2, 3)
    assert pool.column(1, "clip_score").tolist() == pool.column(1, "clip_l14_similarity_score").tolist()
    assert pool.metadata(1, "text")[3] == "caption 3"
    assert set(pool.columns()) == {"uid", "text", "clip_l14_similarity_score", "clip_score"}
    with pytest.raises(KeyError, match="has no column 'beauty'"):
        pool.column(0, "beauty")
    rows = np.array([4, 0, 49])
    assert np.array_equal(pool.inputs(1, np.sort(rows)).texts, stored[np.sort(rows)].astype(np.float32))


def test_what_two_files_say_of_the_same_rows_is_compared(tmp_path, caplog):
    """Of 100 shards one pair of files was mixed up: its scores are those of other rows."""
    rng = np.random.default_rng(0)
    images, texts = (rng.normal(size=(50, 8)) for _ in range(2))
    images, texts = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (images, texts))
    uids, cosine = [f"{1:016x}{row:016x}" for row in range(50)], (images * texts).sum(axis=1)

    def written(order, **more):
        vectors = {"l14_img": images.astype(np.float16), "l14_txt": texts.astype(np.float16)}
        write_shard(tmp_path, 1, **vectors, **more)
        table = {"uid": uids, "clip_l14_similarity_score": cosine[order].astype(np.float32)}
        pq.write_table(pa.table(table), tmp_path / f"{1:032x}.parquet")
        return DataComp(tmp_path).open(Streams(0))

    same = written(np.arange(50), uid=np.array(uids))
    assert len(next(same.vectors(0, "images", 50))) == 50 and not caplog.messages
    swapped = np.arange(50)
    swapped[[2, 3]] = 3, 2
    pool = written(swapped)
    list(pool.vectors(0, "images", 50)), list(pool.vectors(0, "texts", 50))
    (told,) = caplog.messages
    assert f"{1:032x}.parquet: row 2 has a clip_l14_similarity_score of {cosine[3]:.3f}" in told
    assert "(2 of the 50 rows looked at differ)" in told
    with pytest.raises(
        ValueError, match=rf"\.parquet and .*\.npz: row 7 is '{uids[7]}' in the one, '{uids[8]}' in the"
    ):
        written(swapped, uid=np.array([*uids[:7], uids[8], uids[7], *uids[9:]])).vectors(0, "images", 50)
    with pytest.raises(ValueError, match=r"uid must hold texts, got int64 \(50,\)"):
        written(swapped, uid=np.arange(50)).vectors(0, "images", 50)


def test_datacomp_that_does_not_fit_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no \.parquet file"):
        DataComp(tmp_path).size()
    write_shard(tmp_path, 1)
    (tmp_path / f"{7:032x}.npz").write_bytes((tmp_path / f"{1:032x}.npz").read_bytes())
    with pytest.raises(ValueError, match=r"1 files lack a matching \.parquet"):
        DataComp(tmp_path).size()
    (tmp_path / f"{7:032x}.npz").unlink()
    write_shard(tmp_path, 2, l14_img=np.zeros((49, 8), dtype=np.float16))
    with pytest.raises(ValueError, match=r"50 rows in \.parquet, but 49 in l14_img"):
        DataComp(tmp_path).size()
    write_shard(tmp_path, 2, l14_img=np.zeros((50, 9), dtype=np.float16))
    with pytest.raises(ValueError, match="l14_img has 9 columns, others have 8"):
        DataComp(tmp_path).size()
    write_shard(tmp_path, 2, l14_img=np.zeros((50, 8)))
    with pytest.raises(ValueError, match="must be a matrix of float16 or float32"):
        DataComp(tmp_path).size()
    np.savez(tmp_path / f"{2:032x}.npz", other=np.zeros(3))
    with pytest.raises(ValueError, match=r"has no .l14_img. \(it has other"):
        DataComp(tmp_path).size()


def test_datacomp_s_identity_is_its_content(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write_shard(tmp_path / folder, 1)
    same = [DataComp(tmp_path / folder).fingerprint() for folder in ("a", "b")]
    assert same[0] == same[1]
    vectors = np.load(tmp_path / "b" / f"{1:032x}.npz")["l14_img"].copy()
    vectors[3, 3] += 1
    write_shard(tmp_path / "b", 1, l14_img=vectors)
    assert DataComp(tmp_path / "b").fingerprint() != same[0]


def test_arrays(tmp_path):
    rng = np.random.default_rng(0)
    images, texts = rng.normal(size=(2, 100, 6)).astype(np.float16)
    np.save(tmp_path / "images.npy", images)
    np.save(tmp_path / "texts.npy", texts)
    np.save(tmp_path / "targets.npy", images[:5])
    spec = PairArrays(
        tmp_path / "images.npy", tmp_path / "texts.npy", targets=(tmp_path / "targets.npy",), shard_rows=40
    )
    pool = spec.open(Streams(0))
    assert [shard.rows for shard in pool.shards] == [40, 40, 20] and spec.size() == 100
    assert np.array_equal(np.concatenate(list(pool.vectors(2, "texts", 7))), texts[80:])
    assert pool.uids(1)["f1"].tolist() == list(range(40, 80))
    assert np.array_equal(np.concatenate(list(pool.targets())), images[:5])
    before = spec.fingerprint()
    write_uids(tmp_path / "uids.npy", lambda: [uids_from_hex([f"{row:032x}" for row in range(99)], "test")])
    with pytest.raises(ValueError, match="99 uids for 100 rows"):
        PairArrays(tmp_path / "images.npy", tmp_path / "texts.npy", tmp_path / "uids.npy").open(Streams(0))
    np.save(tmp_path / "short.npy", texts[:50])
    with pytest.raises(ValueError, match="they must agree"):
        PairArrays(tmp_path / "images.npy", tmp_path / "short.npy").open(Streams(0))
    assert PairArrays(tmp_path / "images.npy", tmp_path / "short.npy").fingerprint() != before


def test_generated_pairs_are_the_same_however_they_are_read():
    spec = GeneratedPairs(rows=9000, shards=2, width=32, swapped=0.3)
    pool = spec.open(Streams(3))
    whole = np.concatenate(list(pool.vectors(0, "images", 10_000)))
    assert np.array_equal(np.concatenate(list(pool.vectors(0, "images", 999))), whole)
    assert np.array_equal(np.concatenate(list(spec.open(Streams(3)).vectors(0, "images", 4096))), whole)
    assert not np.array_equal(np.concatenate(list(spec.open(Streams(4)).vectors(0, "images", 4096))), whole)
    assert np.abs(np.linalg.norm(whole.astype(np.float64), axis=1) - 1).max() < 2e-3
    assert len(pool.kinds(0)) == 4500 and abs(np.mean(pool.kinds(0) == "swapped caption") - 0.3) < 0.03
    targets = np.concatenate(list(pool.targets())).astype(np.float32)
    alignment = ((whole.astype(np.float32) @ targets.T) ** 2).mean(axis=1)
    clean = pool.kinds(0)
    assert alignment[clean == "on target"].mean() > 2 * alignment[clean == "off target"].mean()


def test_a_pool_restricted_to_a_list(tmp_path):
    whole = GeneratedPairs(rows=500, shards=3, width=24).open(Streams(0))
    rng = np.random.default_rng(0)
    masks = [rng.random(shard.rows) < 0.4 for shard in whole.shards]
    masks[1][:] = False
    elsewhere = uids_from_hex([f"{row:032x}" for row in range(1, 50)], "test")
    listed = [whole.uids(shard)[mask] for shard, mask in enumerate(masks)]
    write_uids(tmp_path / "listed.npy", lambda: [*listed, elsewhere])
    spec = ListedPairs(GeneratedPairs(rows=500, shards=3, width=24), tmp_path / "listed.npy")
    pool = spec.open(Streams(0))
    assert [shard.rows for shard in pool.shards] == [int(mask.sum()) for mask in masks] and pool.rows == spec.size()
    for shard, mask in enumerate(masks):
        assert pool.uids(shard).tolist() == listed[shard].tolist()
        for name in ("text", "original_width"):
            assert np.array_equal(pool.metadata(shard, name), whole.metadata(shard, name)[mask])
        assert np.array_equal(pool.column(shard, "clip_score"), whole.column(shard, "clip_score")[mask])
        assert np.array_equal(pool.kinds(shard), whole.kinds(shard)[mask])
        images = np.concatenate(list(whole.vectors(shard, "images", 999)))[mask]
        for chunk in (1, 7, 999):
            assert np.array_equal(np.concatenate(list(pool.vectors(shard, "images", chunk))), images)
    some = np.array([0, 5, 9])
    inputs = whole.inputs(2, np.flatnonzero(masks[2])[some])
    assert np.array_equal(pool.inputs(2, some).images, inputs.images) and spec.can_train()
    kept = choose(pool, registry("strategies").build("clip_score"), pool.rows // 2, 0)
    assert np.isin(np.concatenate(list(kept.uids(pool))), np.concatenate(listed)).all()
    write_uids(tmp_path / "none.npy", lambda: [elsewhere])
    with pytest.raises(ValueError, match="none of the 49 uids listed is in the pool"):
        ListedPairs(spec.pool, tmp_path / "none.npy").open(Streams(0))
    assert ListedPairs(spec.pool, tmp_path / "none.npy").fingerprint() != spec.fingerprint()


def test_every_pool_is_registered():
    assert {"datacomp", "pair_arrays", "generated_pairs", "listed_pairs"} <= set(pair_pools.entries())


def test_the_shared_pool():
    shared_pool.required()
    pool = DataComp(shared_pool.METADATA).open(Streams(0))
    assert pool.rows == 12_001 and len(pool.shards) == 5
    found = np.concatenate([pool.uids(shard) for shard in range(5)])
    assert sorted(found.tolist()) == sorted(shared_pool.expected()["pool_uid"].tolist())
