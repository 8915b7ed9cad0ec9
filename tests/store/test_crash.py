"""A run that is killed and resumed commits the same bytes as one that never was."""

import json
import subprocess
import sys

import pytest


def killed(mode, suite, folder):
    command = [sys.executable, "-m", "tests.store.killed_runs", mode, str(suite), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("mode", "trainer", "kills"), [("boundaries", "logistic_regression", 90), ("thirds", "{name: mlp, steps: 20}", 30)]
)
def test_killed_at_every_write_boundary(suite_file, tmp_path, mode, trainer, kills):
    suite = suite_file(("[logistic_regression]", f"[{trainer}]"), ("[random, margin]", "[badge]"))
    report = killed(mode, suite, tmp_path)
    # Each of three rounds writes two files, each file in several steps; fewer kills would mean boundaries are missed.
    assert report["kills"] > kills
    assert report["differing"] == {}


def test_killed_in_the_middle_of_training(suite_file, tmp_path):
    trainer = "{name: flexmatch, network: linear, augment: noise, steps: 2, batch: 8, ratio: 1}"
    suite = suite_file(
        ("[logistic_regression]", f"[{trainer}]"), ("[random, margin]", "[margin]"), ("rounds: 3", "rounds: 2")
    )
    report = killed("training", suite, tmp_path)
    assert report["kills"] > 20  # of two rounds' files, and of the states kept between their steps
    assert report["differing"] == {}


def test_killed_at_random_moments(suite_file, tmp_path):
    report = killed("random", suite_file(("[random, margin]", "[badge]"), ("rounds: 3", "rounds: 8")), tmp_path)
    assert report["kills"] > 10
    assert report["differing"] == {}


def test_killed_between_details_and_round(tmp_path):
    suite = tmp_path / "told.yaml"
    suite.write_text(
        "suite: told\nproblems: [{name: telling, says: details}]\ntrainers: [share]\nstrategies: [random]\n"
        "budget: {first: 10, batch: 5, rounds: 2}\nseeds: [0]\n"
    )
    report = killed("boundaries", suite, tmp_path / "runs")
    assert report["kills"] > 60  # three files a round
    assert report["differing"] == {}
