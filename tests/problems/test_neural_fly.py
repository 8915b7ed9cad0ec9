"""Flight logs of a made-up drone, written in the exact format of the real ones."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from labelbench_plus.budget import Ledger
from labelbench_plus.seeding import Streams
from labelbench_plus.source_tasks.allocation import Allocation
from labelbench_plus.source_tasks.flight_logs import read_flights
from tests.source_tasks.simulate import HERE, build, simulate

LENGTHS = {"p": 3, "p_d": 3, "v": 3, "v_d": 3, "q": 4, "w": 3, "T_sp": 1, "q_sp": 4, "hover_throttle": 1}


def write_log(path, seed: int, wind: float, rows: int = 50) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({"t": 0.02 * np.arange(rows)})
    for name, length in LENGTHS.items():
        table[name] = [json.dumps(vector.tolist()) for vector in rng.normal(size=(rows, length))]
    table["R"] = [json.dumps(np.eye(3).tolist())] * rows
    velocity = np.array([json.loads(text) for text in table["v"]])
    table["fa"] = [
        json.dumps(vector.tolist()) for vector in np.tanh(velocity + wind) + 0.01 * rng.normal(size=(rows, 3))
    ]
    table["pwm"] = [json.dumps(vector.tolist()) for vector in 1200 + 100 * rng.random((rows, 4))]
    table.to_csv(path)
    return table


@pytest.fixture
def logs(tmp_path):
    for seed, (controller, wind) in enumerate(
        [("NF-C", "nowind"), ("indi", "nowind"), ("custom_figure8_L1", "35wind")]
    ):
        write_log(tmp_path / f"{controller}_{wind}.csv", seed, 0.5 * seed)
    return tmp_path


def test_reads_the_format(logs):
    table = write_log(logs / "x_70p20sint.csv", 9, 0.0, rows=3)
    flights = {flight.condition: flight for flight in read_flights(logs)}
    assert set(flights) == {"nowind", "35wind", "70p20sint"}
    found = flights["70p20sint"]
    assert found.inputs.shape == (3, 11)
    assert found.inputs[1, :3].tolist() == json.loads(table["v"][1])
    assert found.inputs[1, 3:7].tolist() == json.loads(table["q"][1])
    assert np.allclose(found.inputs[1, 7:] * 1000, json.loads(table["pwm"][1]))
    assert found.force[2].tolist() == json.loads(table["fa"][2])


def test_tasks_are_winds_and_axes_and_are_split_in_time(logs):
    problem = build("problems", {"name": "neural_fly", "folder": str(logs), "target": "35wind y", "target_labels": 20})
    tasks = problem.tasks()
    assert list(tasks) == ["35wind x", "35wind y", "35wind z", "nowind x", "nowind y", "nowind z"]
    train, test = tasks["nowind x"]
    assert (len(train.labels), len(test.labels)) == (60, 40)
    assert np.allclose(train.inputs.mean(axis=0), 0)
    assert np.allclose(train.labels.std(), 1)
    assert problem.capacity() == 30 * 2 + 60 * 3
    instance, ledger = problem.open(HERE, Streams(0)), Ledger()
    instance.oracle.answer(Allocation(np.array([0, 2]), np.array([30, 60])), 90.0, ledger)
    sources = instance.training_data(ledger, with_validation=False).sources
    assert len(sources) == 5
    assert sorted(sources[2].labels) == sorted(tasks["nowind x"][0].labels)


def test_the_fingerprint_is_that_of_the_flights(logs, tmp_path_factory):
    def fingerprint(folder) -> str:
        return build("problems", {"name": "neural_fly", "folder": str(folder), "target": "35wind y"}).fingerprint()

    same, other = tmp_path_factory.mktemp("same"), tmp_path_factory.mktemp("other")
    for path in logs.glob("*.csv"):
        (same / path.name).write_bytes(path.read_bytes())
        (other / path.name).write_bytes(path.read_bytes())
    write_log(other / "indi_nowind.csv", 77, 0.3)
    assert fingerprint(logs) == fingerprint(same) != fingerprint(other)


def test_a_run_goes_through(logs):
    problem = {
        "name": "neural_fly",
        "folder": str(logs),
        "target": "35wind y",
        "features": 20,
        "rank": 3,
        "target_labels": 20,
    }
    trainer = {"name": "joint_linear", "ridge": 0.001}
    ledger, scores = simulate(problem, trainer, "l1_relevance", (50.0, 30.0), 0)
    assert ledger.spent == 80
    assert np.isfinite(scores["test_mse"])


def test_what_is_missing_is_said(logs, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no flight logs .* aerorobotics/neural-fly .* folder: PATH"):
        build("problems", {"name": "neural_fly", "folder": str(tmp_path / "none"), "target": "35wind y"}).fingerprint()
    with pytest.raises(ValueError, match=r"target '35wind w' is none of the tasks: 35wind x, 35wind y"):
        build("problems", {"name": "neural_fly", "folder": str(logs), "target": "35wind w"}).capacity()
    bad = pd.read_csv(logs / "indi_nowind.csv")
    bad.loc[4, "fa"] = "[1.0, 2.0]"
    bad.to_csv(logs / "indi_nowind.csv")
    with pytest.raises(ValueError, match=r"indi_nowind.csv: line 6: fa must be 3 numbers, got '\[1.0, 2.0\]'"):
        read_flights(logs)
    bad.drop(columns="pwm").to_csv(logs / "indi_nowind.csv")
    with pytest.raises(ValueError, match=r"indi_nowind.csv: no column 'pwm'"):
        read_flights(logs)
