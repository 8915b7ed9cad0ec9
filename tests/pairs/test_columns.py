"""What pools of other people's making hold: types of columns, damaged files, shards without rows, wrong targets."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labelbench_plus.pair_pools.datacomp import DataComp
from labelbench_plus.pairs.choose import choose
from labelbench_plus.pairs.columns import exact_scores, read_numbers, scores, texts, write_numbers
from labelbench_plus.plugins import registry
from labelbench_plus.seeding import Streams

ROWS, WIDTH = 60, 8


def write(folder: Path, number: int, rows: int = ROWS, **columns: Any) -> Path:
    """A shard with these columns beside its uids; returns its parquet file."""
    rng = np.random.default_rng(number)
    vectors = {name: rng.normal(size=(rows, WIDTH)).astype(np.float16) for name in ("l14_img", "l14_txt")}
    uids = pa.array([f"{number:016x}{row:016x}" for row in range(rows)], type=pa.string())
    np.savez(folder / f"{number:032x}.npz", **vectors)
    file = folder / f"{number:032x}.parquet"
    pq.write_table(pa.table({"uid": uids, **columns}), file)
    return file


def kept(pool: DataComp, plugin: Any, count: int | None) -> list[int]:
    """How many are kept of each shard, or which rows where there is one shard only."""
    masks = choose(pool.open(Streams(0)), registry("strategies").build(plugin), count, 0).masks
    return np.flatnonzero(masks[0]).tolist() if len(masks) == 1 else [int(mask.sum()) for mask in masks]


@pytest.mark.parametrize(
    "values",
    [
        0.25 + np.random.default_rng(0).permutation(ROWS) * 1e-11,  # one number in single precision
        np.random.default_rng(1).permutation(ROWS) + (1 << 25),  # neighbours are one number there
        np.random.default_rng(2).permutation(ROWS) * 1e38,  # infinite there
        np.random.default_rng(3).permutation(ROWS).astype(np.float16),
    ],
    ids=["doubles", "whole numbers", "large", "half precision"],
)
def test_stored_scores_are_ranked_as_they_are(tmp_path: Path, values: np.ndarray) -> None:
    write(tmp_path, 1, rank=values)
    best = np.sort(np.argsort(-values.astype(np.float64))[:10]).tolist()
    assert kept(DataComp(tmp_path), {"name": "score_column", "column": "rank"}, 10) == best


def test_shards_may_store_a_score_in_other_precisions(tmp_path: Path) -> None:
    values = 0.25 + np.arange(2 * ROWS) * 1e-9
    write(tmp_path, 1, rank=values[:ROWS].astype(np.float32))
    write(tmp_path, 2, rank=values[ROWS:])
    all_of = np.concatenate([values[:ROWS].astype(np.float32).astype(np.float64), values[ROWS:]])
    first = int((np.argsort(-all_of, kind="stable")[:30] < ROWS).sum())
    assert kept(DataComp(tmp_path), {"name": "score_column", "column": "rank"}, 30) == [first, 30 - first]


def test_a_threshold_is_not_reached_from_below(tmp_path: Path) -> None:
    just = np.full(ROWS, 0.28 - 1e-9)
    just[3] = 0.28
    write(tmp_path, 1, double=just, single=np.full(ROWS, 0.7, dtype=np.float32))
    stages = {"name": "two_stage", "second": {"name": "random_pairs"}, "at_least": 0.28}
    pool = DataComp(tmp_path)
    assert kept(pool, {**stages, "first": {"name": "score_column", "column": "double"}}, 1) == [3]
    single = {**stages, "first": {"name": "score_column", "column": "single"}, "at_least": 0.7}
    assert len(kept(pool, single, ROWS)) == ROWS, "what was written as 0.7 in single precision reaches 0.7"


def test_scores_that_are_no_numbers_or_would_be_rounded_are_refused(tmp_path: Path) -> None:
    file = write(tmp_path, 1, text=["0.3"] * ROWS, huge=[2**53 + 1] * ROWS, good=[1.0] * (ROWS - 1) + [None])
    pool = DataComp(tmp_path).open(Streams(0))
    with pytest.raises(ValueError, match=rf"{file}: column 'text' holds string, a score must be a number"):
        pool.column(0, "text")
    with pytest.raises(ValueError, match=r"column 'huge' holds whole numbers beyond"):
        pool.column(0, "huge")
    assert np.isnan(pool.column(0, "good")[-1])
    with pytest.raises(ValueError, match="whole numbers beyond"):
        exact_scores(np.array([2**60]), "ranks")
    assert scores(pa.array([None, None]), "x").shape == (2,)


def test_scores_that_are_not_finite_are_never_kept(tmp_path: Path) -> None:
    values = np.arange(ROWS, dtype=np.float32)
    values[[5, 7]] = np.inf, np.nan
    write(tmp_path, 1, rank=values)
    assert len(kept(DataComp(tmp_path), {"name": "score_column", "column": "rank"}, ROWS - 2)) == ROWS - 2
    with pytest.raises(ValueError, match="only 58 have a score"):
        kept(DataComp(tmp_path), {"name": "score_column", "column": "rank"}, ROWS - 1)


def test_captions_as_bytes_are_captions(tmp_path: Path) -> None:
    captions = pa.array([f"photo of thing number {row}".encode() for row in range(ROWS)], type=pa.binary())
    sizes = {f"original_{side}": [300] * ROWS for side in ("width", "height")}
    language = pa.array([b"en"] * ROWS, type=pa.binary())
    write(tmp_path, 1, text=captions, language=language, **sizes)
    passing = {"name": "two_stage", "first": "basic_filter", "second": "random_pairs", "at_least": 1.0}
    assert len(kept(DataComp(tmp_path), passing, ROWS)) == ROWS
    with pytest.raises(ValueError, match="row 7: bytes that are not UTF-8"):
        texts(np.array([b"a", b"\xff"], dtype=object), "captions", np.array([4, 7]))
    with pytest.raises(ValueError, match="row 0: expected a text, got 3"):
        texts(np.array([3], dtype=object), "captions")
    assert texts(np.array([None, float("nan"), "a"], dtype=object), "captions") == [None, None, "a"]


@pytest.mark.parametrize("damage", ["cut", "empty", "page"])
def test_a_damaged_file_is_named(tmp_path: Path, damage: str) -> None:
    write(tmp_path, 1)
    file = write(tmp_path, 2)
    whole = file.read_bytes()
    file.write_bytes({"cut": whole[:200], "empty": b"", "page": b"<html>404</html>"}[damage])
    with pytest.raises(ValueError, match=f"{file} is not a parquet file, or damaged"):
        DataComp(tmp_path).size()


def test_uids_of_another_type_are_refused_by_name(tmp_path: Path) -> None:
    file = write(tmp_path, 1)
    pq.write_table(pa.table({"uid": list(range(ROWS))}), file)
    with pytest.raises(ValueError, match=rf"{file}, column 'uid': a uid must be .* these are int64"):
        DataComp(tmp_path).open(Streams(0)).uids(0)
    uids = pa.array([f"{row:032x}" for row in range(ROWS)])
    pq.write_table(pa.table({"uid": uids.dictionary_encode()}), file)
    assert DataComp(tmp_path).open(Streams(0)).uids(0)[3].tolist() == (0, 3)


def test_a_score_that_is_corrected_in_place_makes_another_pool(tmp_path: Path) -> None:
    rank = np.arange(ROWS, dtype=np.float64)
    write(tmp_path, 1, rank=rank)
    before = DataComp(tmp_path).fingerprint()
    write(tmp_path, 1, rank=np.random.default_rng(0).permutation(rank))  # the same size and statistics
    assert DataComp(tmp_path).fingerprint() != before


DRAWN_FROM_SHARDS = ("neg_clip_loss_bank", "neg_clip_loss_mixed")
OTHERS = ("clip_score", "neg_clip_loss", "norm_sim", "vas", "nearest_targets", "vas_d", "design_removal", "rank_sum")


@pytest.mark.parametrize("name", [*DRAWN_FROM_SHARDS, *OTHERS, "image_based"])
def test_a_shard_without_rows_changes_nothing(tmp_path: Path, name: str) -> None:
    np.save(tmp_path / "targets.npy", np.random.default_rng(9).normal(size=(5, WIDTH)).astype(np.float16))
    plugin = {"name": name, **({"clusters": 3} if name == "image_based" else {})}
    folder = tmp_path / "pool"
    folder.mkdir()
    write(folder, 1)
    write(folder, 2)
    pool = DataComp(folder, targets=(tmp_path / "targets.npy",))
    before = kept(pool, plugin, 30)
    write(folder, 0xF0, rows=0)
    assert sum(kept(pool, plugin, 30)) == sum(before) == 30
    if name not in DRAWN_FROM_SHARDS:
        assert kept(pool, plugin, 30) == [*before, 0]


def test_the_bank_passes_over_a_shard_of_which_nobody_is_left(tmp_path: Path) -> None:
    write(tmp_path, 1, rank=np.zeros(ROWS))
    write(tmp_path, 2, rank=np.ones(ROWS))
    first = {"name": "score_column", "column": "rank"}
    plugin = {"name": "two_stage", "first": first, "second": "neg_clip_loss_bank", "at_least": 1.0}
    assert kept(DataComp(tmp_path), plugin, 20) == [0, 20]


@pytest.mark.parametrize("name", ["vas", "norm_sim", "nearest_targets", "image_based"])
@pytest.mark.parametrize(
    ("targets", "why"),
    [
        (np.full((3, WIDTH), np.nan), "must be finite, but row 0"),
        (np.ones((3, WIDTH + 1)), "the pool's images"),
    ],
    ids=["not finite", "of another width"],
)
def test_targets_that_will_not_do_are_refused_by_every_strategy(
    tmp_path: Path, name: str, targets: np.ndarray, why: str
) -> None:
    np.save(tmp_path / "targets.npy", targets.astype(np.float32))
    write(tmp_path, 1)
    with pytest.raises(ValueError, match=why):
        kept(DataComp(tmp_path, targets=(tmp_path / "targets.npy",)), name, 10)


@pytest.mark.parametrize("rows", [0, 1, 2_000_000])  # none, and more than a group of rows holds
def test_numbers_are_written_as_arrow_writes_them_and_read_back(tmp_path: Path, rows: int) -> None:
    draw = np.random.default_rng(0)
    high = draw.integers(2**64, size=(rows, 2), dtype=np.uint64)[:, 0]  # with gaps
    columns = {"row": np.arange(rows, dtype=np.uint32), "high": high, "score": draw.normal(size=rows)}
    columns["score"][:1] = np.nan
    found, expected = io.BytesIO(), io.BytesIO()
    write_numbers(columns, found)
    pq.write_table(pa.table(columns), expected, compression="none", use_dictionary=False)
    assert found.getvalue() == expected.getvalue()
    (tmp_path / "numbers.parquet").write_bytes(found.getvalue())
    for name, column in zip(columns, read_numbers(tmp_path / "numbers.parquet", *columns), strict=True):
        assert column.dtype == columns[name].dtype and np.array_equal(column, columns[name], equal_nan=name == "score")
