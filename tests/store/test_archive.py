import gzip
import math
import shutil

import pytest
from typer.testing import CliRunner

from labelbench_plus.cli import app
from labelbench_plus.leaderboard.of_suite import results_of_suite
from labelbench_plus.running.job import Job, Where, carry_out
from labelbench_plus.store.archive import restore_archive, write_archive
from labelbench_plus.store.collect import collect
from labelbench_plus.store.run_store import RunStore, StoreError
from labelbench_plus.suite import load_suite


@pytest.fixture
def stores(suite_file, tmp_path):
    found = []
    for spec in load_suite(suite_file()).runs():
        carry_out(
            Job.of(spec, Where(tmp_path / "out", tmp_path / "cache")),
            lambda rounds: None,
        )
        found.append(RunStore(tmp_path / "out", spec.id))
    return found


def files(root):
    kept = [path for path in root.rglob("*") if path.is_file() and path.parent.name != "attempts"]
    return {str(path.relative_to(root)): path.read_bytes() for path in kept}


def test_what_is_archived_comes_back_byte_for_byte(stores, tmp_path):
    archive = tmp_path / "runs.jsonl.gz"
    assert write_archive(stores, archive) == 4
    first = archive.read_bytes()
    write_archive(reversed(stores), archive)
    assert archive.read_bytes() == first
    assert restore_archive(archive, tmp_path / "again") == 4
    assert files(tmp_path / "again" / "runs") == files(tmp_path / "out" / "runs")
    assert restore_archive(archive, tmp_path / "again") == 4
    assert all(RunStore(tmp_path / "again", store.id).done for store in stores)


def test_what_is_there_is_never_overwritten(stores, tmp_path):
    archive = tmp_path / "runs.jsonl.gz"
    write_archive(stores, archive)
    changed = tmp_path / "out" / "runs" / stores[0].id / "result.json"
    changed.write_bytes(b"{}\n")
    with pytest.raises(StoreError, match=r"result.json differs from what .*runs.jsonl.gz holds"):
        restore_archive(archive, tmp_path / "out")
    assert changed.read_bytes() == b"{}\n"


def test_a_doctored_archive_is_found_out(stores, tmp_path):
    archive = tmp_path / "runs.jsonl.gz"
    write_archive(stores, archive)
    text = gzip.decompress(archive.read_bytes())
    archive.write_bytes(gzip.compress(text.replace(b'"accuracy":0.', b'"accuracy":1.')))
    with pytest.raises(StoreError, match="the round before it is"):
        restore_archive(archive, tmp_path / "again")


def test_only_finished_runs_are_archived(stores, tmp_path):
    (stores[0].folder / "result.json").unlink()
    with pytest.raises(StoreError, match="not finished"):
        write_archive(stores, tmp_path / "runs.jsonl.gz")


def test_costs_that_are_lost_are_missing_in_tables_and_archives_and_stop_neither(stores, suite_file, tmp_path, caplog):
    suite = load_suite(suite_file())
    (stores[0].folder / "costs" / "0001.json").write_bytes(b'{"train_sec')
    (stores[1].folder / "costs" / "0000.json").unlink()
    curves = collect(suite.suite, suite.runs(), tmp_path / "out").curves
    lost = curves["train_seconds"].isna()
    assert lost.sum() == 2 and curves.loc[lost, "accuracy"].notna().all()
    assert set(zip(curves.loc[lost, "run_id"], curves.loc[lost, "round"], strict=True)) == {
        (stores[0].id, 1),
        (stores[1].id, 0),
    }
    assert str(stores[0].folder / "costs" / "0001.json") in caplog.text
    assert write_archive(stores, tmp_path / "runs.jsonl.gz") == 4
    assert restore_archive(tmp_path / "runs.jsonl.gz", tmp_path / "again") == 4
    assert RunStore(tmp_path / "again", stores[0].id).costs()[1] == {}
    results = results_of_suite(suite, suite.runs(), tmp_path / "out")
    (setting,) = results.board().settings
    runs = {run.run_id: run for by_seed in setting.runs.runs.values() for run in by_seed.values()}
    assert [math.isnan(runs[store.id].train_seconds) for store in stores] == [True, True, False, False]
    shown = CliRunner().invoke(app, ["show", stores[0].id, "--out", str(tmp_path / "out")])
    assert shown.exit_code == 0 and " nan" in shown.output


def test_a_table_of_runs_without_any_costs_has_their_columns(stores, suite_file, tmp_path):
    suite = load_suite(suite_file())
    for store in stores:
        shutil.rmtree(store.folder / "costs")
    curves = collect(suite.suite, suite.runs(), tmp_path / "out").curves
    assert curves[["select_seconds", "train_seconds", "select_peak_bytes", "train_peak_bytes"]].isna().all(axis=None)
    assert results_of_suite(suite, suite.runs(), tmp_path / "out").board().settings


def test_a_finished_run_whose_manifest_is_damaged_is_shown_and_named_where_it_is_needed(stores, tmp_path):
    (stores[0].folder / "manifest.json").write_bytes(b"")
    with pytest.raises(StoreError, match=f"{stores[0].id}/manifest.json: cannot be read"):
        write_archive(stores, tmp_path / "runs.jsonl.gz")
    shown = CliRunner().invoke(app, ["show", stores[0].id, "--out", str(tmp_path / "out")])
    assert shown.exit_code == 0 and "manifest.json: cannot be read" in shown.output
