"""A selection as tasks on files: the same bytes however it is done, and nothing done twice."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from labelbench_plus.commands.pairs import pairs
from labelbench_plus.pairs.choose import choose
from labelbench_plus.pairs.report import write_report
from labelbench_plus.pairs.spec import Selection, SelectionError, load_selection
from labelbench_plus.pairs.uids import read_uids
from labelbench_plus.pairs.workspace import Workspace, plan
from labelbench_plus.running.selection import select_here
from labelbench_plus.seeding import Streams
from tests.pair_pools.test_pools import write_shard

TEXT = """\
pool: {name: generated_pairs, rows: 1500, shards: 4, width: 32, swapped: 0.2, target_rows: 200}
strategy:
  name: two_stage
  first: {name: neg_clip_loss, batch: 128, draws: 2}
  second: norm_sim
fraction: 0.2
"""
DYNAMIC = TEXT.replace("second: norm_sim", "second: {name: vas_d, rounds: 4}").replace(
    "first: {name: neg_clip_loss, batch: 128, draws: 2}", "first: clip_score"
)


def written(folder: Path, text: str = TEXT) -> Selection:
    path = folder / "selection.yaml"
    path.write_text(text)
    return load_selection(path)


def in_process(workspace: Workspace, seed: int | None = None) -> str:
    """Do all tasks here, those of a phase in an order drawn with `seed`; the uid file's hash."""
    for phase in workspace.phases():
        for task in random.Random(seed).sample(phase, len(phase)) if seed is not None else phase:
            workspace.carry_out(task)
    return hashlib.sha256(workspace.kept.read_bytes()).hexdigest()


MIXED = TEXT.replace("neg_clip_loss,", "neg_clip_loss_mixed, mix: 3,")


@pytest.mark.parametrize("text", [TEXT, DYNAMIC, MIXED], ids=["streamed", "dynamic", "mixed"])
def test_check_9_the_same_file_for_any_chunk_order_and_process_number(tmp_path, text):
    selection = written(tmp_path, text)
    hashes = [
        in_process(Workspace(plan(selection, tmp_path / str(number)), chunk=chunk), number)
        for number, chunk in enumerate((1, 7, 1000, 1500))
    ]
    assert len(set(hashes)) == 1
    if text == TEXT:
        workspace = Workspace(plan(selection, tmp_path / "processes"))
        select_here(workspace, 4, chunk=64)
        assert hashlib.sha256(workspace.kept.read_bytes()).hexdigest() == hashes[0]
    pool = selection.pool.open(Streams(0))
    chosen = choose(pool, selection.strategy, 300, 0)
    in_memory = np.concatenate(list(chosen.uids(pool)))
    assert sorted(in_memory.tolist()) == read_uids(tmp_path / "0" / selection.id / "kept.npy").tolist()


def test_check_9_an_interrupted_selection_goes_on_where_it_was(tmp_path):
    selection = written(tmp_path)
    whole = in_process(Workspace(plan(selection, tmp_path / "whole")))
    first = Workspace(plan(selection, tmp_path / "cut"))
    for task in [task for phase in first.phases() for task in phase][:5]:
        assert first.carry_out(task)
    scored = {path: path.stat().st_mtime_ns for path in first.folder.rglob("*.parquet")}
    again = Workspace(plan(selection, tmp_path / "cut"), chunk=7)
    assert in_process(again) == whole
    assert scored and all(path.stat().st_mtime_ns == before for path, before in scored.items())
    assert not any(again.carry_out(task) for phase in again.phases() for task in phase)


def test_identity_is_what_is_selected_not_where(tmp_path):
    write_shard(tmp_path, 1)
    text = f"pool: {{name: datacomp, folder: {tmp_path}}}\nstrategy: score_column\ncount: 5\n"
    selection = written(tmp_path, text)
    moved = tmp_path / "moved"
    moved.mkdir()
    write_shard(moved, 1)
    assert written(tmp_path, text.replace(str(tmp_path), str(moved))).id == selection.id
    assert written(tmp_path, text.replace("count: 5", "count: 6")).id != selection.id
    assert written(tmp_path, text + "seed: 1\n").id != selection.id


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("fraction: 0.2", "", "exactly one of fraction, count and at_least"),
        ("fraction: 0.2", "fraction: 0.2\ncount: 3", "exactly one of"),
        ("fraction: 0.2", "fraction: 1.2", r"fraction: expected at most 1 \(got 1.2\)"),
        ("second: norm_sim", "second: norm_sin", "did you mean 'norm_sim'"),
        ("fraction: 0.2", "fraction: 0.2\nfoo: 1", "foo"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path, old, new, message):
    with pytest.raises(SelectionError, match=message):
        written(tmp_path, TEXT.replace(old, new))


def test_strategies_of_other_problems_are_refused(tmp_path):
    with pytest.raises(SelectionError, match="'margin' does not choose pairs"):
        written(tmp_path, "pool: generated_pairs\nstrategy: margin\ncount: 3\n")


def test_more_than_there_is_and_repeated_uids_are_refused(tmp_path):
    with pytest.raises(SelectionError, match="the pool has 1500"):
        plan(written(tmp_path, TEXT.replace("fraction: 0.2", "count: 2000")), tmp_path)
    write_shard(tmp_path, 1)
    write_shard(tmp_path, 2)
    (tmp_path / f"{2:032x}.parquet").write_bytes((tmp_path / f"{1:032x}.parquet").read_bytes())
    text = f"pool: {{name: datacomp, folder: {tmp_path}}}\nstrategy: score_column\ncount: 5\n"
    with pytest.raises(SelectionError, match="50 uids occur more than once"):
        plan(written(tmp_path, text), tmp_path)


def test_report(tmp_path):
    selection = written(tmp_path)
    workspace = Workspace(plan(selection, tmp_path))
    in_process(workspace)
    found = write_report(workspace, [workspace.kept])
    assert found["kept"] == 300 and [stage["kept"] for stage in found["stages"]] == [450, 300]
    assert [stage["in"] for stage in found["stages"]] == [1500, 450]
    for stage in found["stages"]:
        assert sum(stage["counts"]) == stage["in"] and sum(stage["kept_counts"]) == stage["kept"]
        assert stage["below_cut"] == stage["in"] - stage["kept"]
    kinds = found["kinds"]
    assert sum(kind["kept"] for kind in kinds.values()) == 300
    rate = {kind: count["kept"] / count["in"] for kind, count in kinds.items()}
    assert rate["swapped caption"] < 0.05 < rate["on target"]
    assert found["overlaps"][0]["jaccard"] == 1.0
    text = (workspace.folder / "report.md").read_text()
    assert "300 of 1,500 pairs kept" in text and "on target" in text and str(tmp_path) not in text


def test_the_commands(tmp_path):
    path = tmp_path / "selection.yaml"
    written(tmp_path, TEXT.replace("rows: 1500, shards: 4", "rows: 300, shards: 1"))
    runner = CliRunner()
    text = path.read_text()
    for seed in (0, 1):
        selection = written(tmp_path, f"{text}seed: {seed}\n")
        in_process(Workspace(plan(selection, tmp_path / "out")))
        done = runner.invoke(pairs, ["select", str(path), "--out", str(tmp_path / "out"), "--jobs", "1"])
        assert done.exit_code == 0, done.output
        assert "60 of 300 pairs" in done.output.replace("\n", " ")
    files = sorted(map(str, (tmp_path / "out").glob("*/kept.npy")))
    sizes = {}
    for how in ("union", "intersection", "difference"):
        done = runner.invoke(pairs, ["combine", how, *files, "--out", str(tmp_path / f"{how}.npy")])
        assert done.exit_code == 0, done.output
        sizes[how] = len(read_uids(tmp_path / f"{how}.npy"))
    assert sizes["union"] + sizes["intersection"] == 120 and sizes["difference"] == 60 - sizes["intersection"]
    done = runner.invoke(pairs, ["report", str(Path(files[0]).parent), "--with", files[1]])
    assert done.exit_code == 0 and "Beside other selections" in done.output
    assert runner.invoke(pairs, ["combine", "union", files[0], "--out", "x"]).exit_code == 2
    assert runner.invoke(pairs, ["report", str(tmp_path)]).exit_code == 2
    assert runner.invoke(pairs, ["select", str(tmp_path / "none.yaml")]).exit_code == 2


def test_thresholds_in_both_stages(tmp_path):
    text = """\
pool: {name: generated_pairs, rows: 1500, width: 32}
strategy: {name: two_stage, first: clip_score, second: vas, at_least: 0.5}
at_least: 0.05
"""
    workspace = Workspace(plan(written(tmp_path, text), tmp_path))
    in_process(workspace)
    pool = workspace.pool
    both = 0
    for shard in range(4):
        (_, _, clip), (_, _, vas) = workspace.scored(0, shard), workspace.scored(1, shard)
        assert len(vas) == (clip >= np.float32(0.5)).sum()
        both += (vas >= np.float32(0.05)).sum()
    assert 0 < both == len(read_uids(workspace.kept)) < pool.rows
    assert replace(workspace.selection.strategy, at_least=None) != workspace.selection.strategy


def test_the_filters_that_come_with_the_project(tmp_path):
    rng, scores = np.random.default_rng(0), np.linspace(0, 1, 50, dtype=np.float32)
    vectors = {f"b32_{side}": rng.normal(size=(50, 8)).astype(np.float16) for side in ("img", "txt")}
    write_shard(tmp_path, 1, **vectors)
    more = {
        "text": ["a red barn", "red barn at dusk", "barn", "two words", "red barn at dusk"] * 10,
        "language": ["en", "en", "en", "en", "de"] * 10,
        "gcld3": ["en", "en", "fr", "en", "de"] * 10,
        "original_width": [300] * 49 + [100],
        "original_height": [250] * 48 + [1000] * 2,
        "clip_b32_similarity_score": scores,
    }
    path = tmp_path / f"{1:032x}.parquet"
    pq.write_table(pa.table({**pq.read_table(path).to_pydict(), **more}), path)
    np.save(tmp_path / "targets.npy", rng.normal(size=(4, 8)))

    def kept(name, metadata=tmp_path):
        text = (Path(__file__).parents[2] / "benchmarks" / "selections" / f"datacomp_small_{name}.yaml").read_text()
        text = text.replace("D/metadata", str(metadata)).replace("clusters: 100000", "clusters: 20")
        text = text.replace("targets/imagenet_1k_train.pt", str(tmp_path / "targets.npy"))
        workspace = Workspace(plan(written(tmp_path, text), tmp_path / "out"))
        in_process(workspace)
        return {row for _, row in read_uids(workspace.kept).tolist()}

    assert kept("basic") == {row for row in range(48) if row % 5 in (0, 1)}
    assert kept("laion") == {row for row in range(50) if row % 5 in (0, 1, 3) and scores[row] >= np.float32(0.28)}
    of_images = kept("image_based")
    assert of_images and all(row % 5 in (0, 1, 3) for row in of_images)
    (tmp_path / "bare").mkdir()
    write_shard(tmp_path / "bare", 2)
    with pytest.raises(SelectionError, match="reads columns that the pool does not have: original_width"):
        kept("basic", tmp_path / "bare")


@pytest.mark.parametrize("scale", ["small", "medium"])
def test_the_selections_that_come_with_the_project_can_be_read(scale):
    folder = Path(__file__).parents[2] / "benchmarks" / "selections"
    selection = load_selection(folder / f"datacomp_{scale}.yaml")
    counts = {"small": (12_800_000, [5_760_000, 3_840_000]), "medium": (128_000_000, [38_400_000, 25_600_000])}
    rows, kept = counts[scale]
    assert [stage.count for stage in selection.stages(rows)] == kept
