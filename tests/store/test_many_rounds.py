"""More rounds than four digits count: they keep their order, and a commit reads the one before it and no other."""

import hashlib
import os

import numpy as np
import pytest

from labelbench_plus.budget import Purchase
from labelbench_plus.spec import canonical
from labelbench_plus.store import details as details_files
from labelbench_plus.store.archive import restore_archive, write_archive
from labelbench_plus.store.collect import collect
from labelbench_plus.store.run_store import RoundRecord, RunStore, StoreError
from labelbench_plus.suite import load_suite
from tests.store.faults import Fault, failing

ROUNDS = 10_003


@pytest.fixture(scope="module", autouse=True)
def _unsynced():
    """Nothing loses power here, and ten thousand files would wait for the disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture
def spec(suite_file):
    return load_suite(suite_file()).runs()[0]


def record(number: int) -> RoundRecord:
    purchase = Purchase(np.array([number]), np.ones(1), np.array([number % 10]))
    return RoundRecord(number, purchase, number + 1.0, {"accuracy": number / 20_000})


def lay_out(store: RunStore, rounds: int) -> None:
    """What `commit` leaves of so many rounds, without its care."""
    previous = store.id
    for number in range(rounds):
        made = record(number)
        content = canonical(
            {
                "round": number,
                "previous": previous,
                "purchase": made.purchase.as_json(),
                "spent": made.spent,
                "scores": made.scores,
            }
        )
        previous = hashlib.sha256(content + b"\n").hexdigest()
        (store.folder / "rounds" / f"{number:04d}.json").write_bytes(content + b"\n")
        (store.folder / "costs" / f"{number:04d}.json").write_bytes(canonical({"train_seconds": number, "attempt": 1}))


@pytest.mark.slow
def test_ten_thousand_rounds_are_read_archived_restored_and_collected_in_their_order(spec, tmp_path):
    store = RunStore(tmp_path / "out", spec.id)
    lease = store.open(spec, {"run": spec.id})
    lay_out(store, 9_999)
    for number in range(9_999, ROUNDS):
        store.commit(record(number), {"train_seconds": float(number)}, lease, {"table": [number]})
    assert [each.number for each in store.rounds()] == list(range(ROUNDS))
    assert [cost["train_seconds"] for cost in store.costs()] == list(range(ROUNDS))
    store.finish(spec)
    lease.release("finished")
    assert store.result()["labels"] == list(range(1, ROUNDS + 1))
    assert store.result()["head"] == hashlib.sha256((store.folder / "rounds/10002.json").read_bytes()).hexdigest()
    assert store.details(10_001) == {"table": [10_001]}
    write_archive([store], tmp_path / "runs.jsonl.gz", details=True)
    assert restore_archive(tmp_path / "runs.jsonl.gz", tmp_path / "again") == 1
    again = RunStore(tmp_path / "again", spec.id)
    assert again.head() == store.head() and again.details(9_999) == {"table": [9_999]}
    curves = collect("many", [spec], tmp_path / "again").curves
    assert curves["round"].tolist() == list(range(ROUNDS)) and curves["labels"].iloc[-1] == ROUNDS
    (store.folder / "rounds" / "9999.json").unlink()
    with pytest.raises(StoreError, match=r"rounds/10000.json: round 9999 is missing before it"):
        store.rounds()


def test_a_commit_does_as_much_after_a_thousand_rounds_as_after_ten(spec, tmp_path, monkeypatch):
    looked: list[str] = []
    for name in ("listdir", "scandir"):
        call = getattr(os, name)
        monkeypatch.setattr(os, name, lambda path=".", call=call: looked.append(str(path)) or call(path))
    done = {}
    for rounds in (10, 1_000):
        store = RunStore(tmp_path / str(rounds), spec.id)
        lease = store.open(spec, {})
        lay_out(store, rounds)
        looked.clear()
        with failing(calls := Fault(store.folder, -1, 0)):
            store.commit(record(rounds), {"train_seconds": 1.0}, lease)
        lease.release("stopped")
        done[rounds] = calls.calls
        assert not [path for path in looked if path.endswith(("rounds", "costs"))]
    assert done[10] == done[1_000] and "read" in done[10]


def test_names_have_four_digits_until_five_are_needed(tmp_path):
    for number, name in ((0, "0000.json.gz"), (9_999, "9999.json.gz"), (10_000, "10000.json.gz")):
        details_files.write(tmp_path, number, {"a": 1})
        assert (tmp_path / "details" / name).is_file()
        assert details_files.read(tmp_path, number, details_files.digest({"a": 1})) == {"a": 1}
