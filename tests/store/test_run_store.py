import json

import numpy as np
import pytest

from labelbench_plus.budget import Purchase
from labelbench_plus.store.lease import LeaseLost
from labelbench_plus.store.run_store import NondeterminismError, RoundRecord, RunStore, StoreError
from labelbench_plus.suite import load_suite

COSTS = {"select_seconds": 0.1, "train_seconds": 0.2}


@pytest.fixture
def spec(suite_file):
    return load_suite(suite_file()).runs()[0]


@pytest.fixture
def store(spec, tmp_path):
    return RunStore(tmp_path / "out", spec.id)


def record(number: int, item: int = 0) -> RoundRecord:
    purchase = Purchase(np.array([10 * number + item]), np.ones(1), np.array([3]))
    return RoundRecord(number, purchase, float(number + 1), {"accuracy": 0.1 * number})


def committed(store, spec, rounds: int):
    lease = store.open(spec, {})
    for number in range(rounds):
        store.commit(record(number), COSTS, lease)
    return lease


def test_what_was_committed_is_read_back(store, spec):
    committed(store, spec, 3).release("stopped")
    found = store.rounds()
    assert [r.number for r in found] == [0, 1, 2]
    assert found[2].purchase.items.tolist() == [20]
    assert found[2].scores == {"accuracy": 0.2}
    assert store.costs()[1]["train_seconds"] == 0.2
    assert not store.done


def test_a_round_that_comes_out_differently_is_an_error_that_shows_where(store, spec):
    lease = committed(store, spec, 2)
    (store.folder / "rounds" / "0002.json").write_bytes(b"{}")
    with pytest.raises(NondeterminismError, match=r"0002.json was committed before with other content"):
        store.commit(record(2), COSTS, lease)
    lease.release("failed")


def test_a_writer_that_lost_its_lease_commits_nothing(store, spec):
    lease = committed(store, spec, 1)
    (store.folder / "attempts" / "0002.json").write_text(json.dumps({"host": "x", "pid": 1, "started": 0}))
    with pytest.raises(LeaseLost):
        store.commit(record(1), COSTS, lease)
    assert len(store.rounds()) == 1
    lease.release("stopped")


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda rounds: (rounds / "0001.json").unlink(), "round 0001 is missing before it"),
        (lambda rounds: (rounds / "0001.json").write_bytes(b'{"round'), "0001.json: not a round file"),
        (
            lambda rounds: (rounds / "0000.json").write_bytes(
                (rounds / "0000.json").read_bytes().replace(b"[3]", b"[4]")
            ),
            "but the round before it is",
        ),
        (lambda rounds: (rounds / "0002.json").write_bytes(b"{}"), "0002.json: not a round file"),
    ],
)
def test_damage_is_found_on_reading(store, spec, damage, says):
    committed(store, spec, 3).release("stopped")
    damage(store.folder / "rounds")
    with pytest.raises(StoreError, match=says):
        store.rounds()


def test_the_result_says_what_the_rounds_say(store, spec):
    lease = committed(store, spec, 3)
    store.finish(spec)
    lease.release("finished")
    result = json.loads((store.folder / "result.json").read_bytes())
    assert store.done
    assert result["labels"] == [1, 2, 3]
    assert result["spent"] == [1.0, 2.0, 3.0]
    assert result["scores"] == {"accuracy": [0.0, 0.1, 0.2]}
    assert result["identity"] == spec.identity
    assert result["head"] == store.head()
