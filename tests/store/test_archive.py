import gzip

import pytest

from labelbench_plus.running.job import Job, Where, carry_out
from labelbench_plus.store.archive import restore_archive, write_archive
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
