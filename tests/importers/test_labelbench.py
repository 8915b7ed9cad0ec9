"""LabelBench's archive: what its files say comes through, its defects are found, and nothing else is made up."""

import csv
import json
import pickle
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from labelbench_plus.cli import app
from labelbench_plus.importers.imported import ImportRefused
from labelbench_plus.importers.labelbench import (
    Facts,
    count,
    defects_of,
    labelbench_results,
    place_of,
    read_labelbench,
    uneven_starts,
)
from labelbench_plus.inputs.plain_pickle import PickleRefused, load_plain
from labelbench_plus.leaderboard.results import read_results

FIXTURE = Path(__file__).parents[3] / "shared" / "fixtures" / "labelbench"
archive = pytest.mark.skipif(not FIXTURE.is_dir(), reason=f"{FIXTURE.name}: LabelBench's published curves are not here")
FOLDER = "cifar10/bs_10/embed_clip_ViTB32/model_linear/trainer_flexmatch"


def write(root, name="margin_sampling_1", folder=FOLDER, labels=(10, 20, 30), indices=None, series=None):
    indices = list(range(labels[-1])) if indices is None else indices
    scores = {"Test Accuracy": [0.5 + 0.1 * r for r in range(len(labels))], "_runtime": [1.0] * len(labels)}
    content = [{"Num Labeled": list(labels), **scores, **(series or {})}, indices]
    path = root / folder / f"{name}.pkl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content))
    return path


def rows_of(name):
    with open(FIXTURE / name, newline="") as file:
        return list(csv.DictReader(file))


def number(text):
    return int(float(text)) if text else None


@archive
def test_the_59_defective_files_of_the_archive_are_found():
    labels = {}
    for row in rows_of("curves.csv"):
        keys = ("kind", "dataset", "batch_size", "embed", "proxy", "model", "trainer", "strategy", "seed")
        labels.setdefault(tuple(row[key] for key in keys), []).append(int(row["num_labeled"]))
    found, flags = {}, Counter()
    for row in rows_of("inventory.csv"):
        place = place_of(row["path"])
        facts = Facts(
            labels=tuple(labels[tuple(row[key] for key in keys)]),
            indices=number(row["n_label_idx"]),
            repeated=number(row["dup_label_idx"]),
            missing=number(row["none_label_idx"]),
            largest=number(row["max_label_idx"]),
        )
        found[row["path"]] = defects_of(place, facts)
        for word in ("over budget", "under budget", "lost", "empty", "are listed for", "repeat"):
            flags[word] += any(word in defect for defect in found[row["path"]])
    assert len(found) == 624
    assert sum(map(bool, found.values())) == 59
    # 19 lists differ in length from the label count: 16 of full lists, two empty ones, and the one that lost some
    assert flags == {"over budget": 52, "under budget": 0, "lost": 1, "empty": 2, "are listed for": 17, "repeat": 0}
    over = [path for path, defects in found.items() if any("over budget" in defect for defect in defects)]
    assert all("/badge_sampling_" in path for path in over)
    assert sum("are listed for" in " ".join(found[path]) for path in over) == 12


@archive
def test_what_is_counted_in_each_file_is_what_the_inventory_says():
    for row in rows_of("inventory.csv"):
        path = FIXTURE / "results" / row["path"]
        if not path.is_file():
            continue
        found = load_plain(path.read_bytes())
        series, indices = found if isinstance(found, list) else (found, None)
        facts = count(series, indices)
        assert len(facts.labels) == int(row["rounds"])
        assert (facts.labels[0], facts.labels[-1]) == (int(row["first_budget"]), int(row["last_budget"]))
        assert facts.indices == number(row["n_label_idx"])
        assert facts.repeated == number(row["dup_label_idx"])
        assert facts.missing == number(row["none_label_idx"])
        assert facts.largest == number(row["max_label_idx"])


@archive
def test_the_archives_curves_come_through_to_the_last_digit(tmp_path):
    found = read_labelbench(FIXTURE)
    assert len(found.runs) == 10 and not found.refused
    expected = {}
    for row in rows_of("curves.csv"):
        path_keys = ("dataset", "batch_size", "embed", "proxy", "model", "trainer", "strategy", "seed")
        expected.setdefault(tuple(row[key] for key in path_keys), []).append(float(row["Test Accuracy"]))
    for run in found.runs:
        config = run.config
        dataset = config["dataset"] + ("_eval" if config["kind"] == "point_eval" else "")
        names = (config["strategy"], f"{config['strategy']}_sampling")
        place = (dataset, str(config["batch_size"]), config["embed"], config["proxy"], config["model"])
        (curve,) = (
            expected[key] for name in names if (key := (*place, config["trainer"], name, str(run.seed))) in expected
        )
        assert run.scores["test_accuracy"] == tuple(curve)


@archive
def test_the_command_writes_a_folder_that_a_board_reads(tmp_path):
    command = ["import", "labelbench", str(FIXTURE), "--to", str(tmp_path / "a"), "--json"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["runs"] == 10 and len(told["defective"]) == 5 and told["refused"] == []
    CliRunner().invoke(app, [*command[:4], str(tmp_path / "b")])
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in files)
    assert (tmp_path / "a" / "LICENSE.txt").read_bytes() == (FIXTURE / "LICENSE.txt").read_bytes()
    results = read_results(tmp_path / "a")
    board = results.board()
    assert {results.meta.badge_of(run) for run in results.records} == {"imported"}
    warnings = " ".join(warning for setting in board.settings for warning in setting.warnings)
    assert "is left out: 342 of its 9,658 bought indices are lost" in warnings
    assert "is left out: over budget in 9 of 10 rounds, first in round 1: 2,001 labels where 2,000 are" in warnings
    assert all(setting.validation_labels is None for setting in board.settings)
    assert results.curves["train_seconds"].isna().all()


@archive
def test_imported_runs_cannot_be_restored_and_say_so(tmp_path):
    CliRunner().invoke(app, ["import", "labelbench", str(FIXTURE), "--to", str(tmp_path / "a")])
    done = CliRunner().invoke(app, ["restore", str(tmp_path / "a" / "runs.jsonl.gz"), "--out", str(tmp_path / "out")])
    assert done.exit_code == 2 and "was imported: it has a curve, but no rounds to restore" in done.stderr


DEFECTS = {
    "over budget": ({"labels": (10, 21, 32)}, "over budget in 2 of 3 rounds, first in round 1: 21 labels where 20"),
    "under budget": ({"labels": (10, 20, 29)}, "under budget in 1 of 3 rounds, first in round 2: 29 labels where 30"),
    "lost": ({"indices": [*range(28), None, None]}, "2 of its 30 bought indices are lost"),
    "empty": ({"indices": []}, "its list of bought indices is empty, for 30 labels"),
    "length": ({"indices": list(range(29))}, "29 bought indices are listed for 30 labels"),
    "repeated": ({"indices": [*range(28), 3, 4]}, "2 of its bought indices repeat earlier ones"),
    "rounds": ({"series": {"Pool Loss": [0.1]}}, "its series have between 1 and 3 rounds"),
    "range": ({"series": {"Test Macro F1": [0.1, 1.5, 0.2]}}, "test_macro_f1 is 1.5 in round 1, not within 0 to 1"),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_is_told_with_its_numbers(defect, tmp_path):
    changes, message = DEFECTS[defect]
    write(tmp_path, **changes)
    (run,) = read_labelbench(tmp_path).runs
    assert [each for each in run.defects if message in each], run.defects
    assert all("lost" in each or message in each or "listed" in each for each in run.defects)


def test_a_sound_run_has_no_defect(tmp_path):
    write(tmp_path)
    (run,) = read_labelbench(tmp_path).runs
    assert not run.defects
    assert (run.problem, run.trainer) == ("cifar10 (10 labels a round, clip_ViTB32)", "linear flexmatch")
    assert (run.strategy, run.seed, run.labels) == ("margin", 1, (10, 20, 30))
    assert dict(run.scores) == {"test_accuracy": (0.5, 0.6, 0.7)}


def test_arrays_are_as_good_as_lists(tmp_path):
    write(tmp_path)
    (as_lists,) = read_labelbench(tmp_path).runs
    path = tmp_path / FOLDER / "margin_sampling_1.pkl"
    series, indices = pickle.loads(path.read_bytes())
    path.write_bytes(pickle.dumps([{key: np.array(values) for key, values in series.items()}, np.array(indices)]))
    (as_arrays,) = read_labelbench(tmp_path).runs
    assert (as_arrays.scores, as_arrays.source["bought"]) == (as_lists.scores, as_lists.source["bought"])
    assert as_arrays.id == as_lists.id


def test_indices_that_wandb_made_floats_are_indices(tmp_path):
    write(tmp_path)
    (whole,) = read_labelbench(tmp_path).runs
    write(tmp_path, indices=[float(index) if index % 2 else index for index in range(30)])
    (mixed,) = read_labelbench(tmp_path).runs
    assert not mixed.defects and mixed.source["bought"] == whole.source["bought"]


def test_what_cannot_be_read_is_named_and_the_rest_is_imported(tmp_path):
    write(tmp_path)
    write(tmp_path, "entropy_1").write_bytes(b"\x80\x04cposix\nsystem\n(X\x04\x00\x00\x00exittR.")
    write(tmp_path, "badge_1").write_bytes(pickle.dumps({"Test Accuracy": [0.5]}))
    write(tmp_path, "bait_1").write_bytes(pickle.dumps([1, 2, 3]))
    write(tmp_path, "noseed")
    write(tmp_path, "random_1", folder="cifar10")
    write(tmp_path, "coreset_1", indices=[1.5] * 30)
    write(tmp_path, "galaxy_1", labels=(10, 20, 10**30), indices=[1])
    (tmp_path / FOLDER / "linked_1.pkl").symlink_to(tmp_path / FOLDER / "margin_sampling_1.pkl")
    done = CliRunner().invoke(app, ["import", "labelbench", str(tmp_path), "--to", str(tmp_path / "to"), "--json"])
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    assert told["runs"] == 1
    reasons = " | ".join(told["refused"])
    assert len(told["refused"]) == 8
    for message in (
        "it names posix.system",
        "badge_1.pkl: expected a list of label counts under 'Num Labeled', got None",
        "bait_1.pkl: expected [series, indices]",
        "the path does not say what it is",
        "coreset_1.pkl: expected a list of pool indices",
        "galaxy_1.pkl: expected a list of label counts",
        "linked_1.pkl: not a file of its own",
    ):
        assert message in reasons


def test_two_files_of_one_run_are_not_chosen_between(tmp_path):
    write(tmp_path)
    write(tmp_path, "margin_1")
    write(tmp_path, "random_1")
    results = labelbench_results(read_labelbench(tmp_path).runs, "test_accuracy")
    (setting,) = results.board().settings
    assert "2 runs call themselves margin, seed 1" in " ".join(setting.warnings)
    assert not setting.runs.runs["margin"] and list(setting.runs.runs["random"]) == [1]


def test_strategies_that_started_apart_are_noted(tmp_path):
    write(tmp_path)
    write(tmp_path, "random_1", indices=list(reversed(range(30))))
    write(tmp_path, "random_2", indices=list(range(30)))
    runs = read_labelbench(tmp_path).runs
    assert uneven_starts(runs) == ["cifar10 (10 labels a round, clip_ViTB32) × linear flexmatch, seed 1"]
    assert any(
        "did not start from the same labels" in note for note in labelbench_results(runs, "test_accuracy").meta.notes
    )
    assert uneven_starts([replace(run, source={"bought": None}) for run in runs]) == []


def test_corrupters_and_point_evaluations_are_problems_of_their_own():
    plain = place_of(f"{FOLDER}/badge_sampling_1.pkl")
    noisy = place_of("fmow_random/bs_10/embed_none/model_clip_ViTB32/trainer_passive/badge_sampling_1.pkl")
    proxy = place_of("cifar10_eval/bs_10/proxy_shallow/model_clip_ViTB32/trainer_a_eval_trainer_b/badge_1.pkl")
    assert (noisy.dataset, noisy.corrupter, noisy.problem) == (
        "fmow",
        "random",
        "fmow (10 labels a round, fine-tuned, random wrong labels)",
    )
    assert (proxy.dataset, proxy.kind, proxy.strategy) == ("cifar10", "point_eval", "badge")
    assert len({place.problem for place in (plain, noisy, proxy)}) == 3
    assert len({str(place.about()) for place in (plain, noisy, proxy)}) == 3
    with pytest.raises(PickleRefused, match="the path does not say"):
        place_of("cifar10/bs_0/embed_none/model_m/trainer_t/badge_1.pkl")


def test_nothing_to_import_says_what_was_looked_for(tmp_path):
    with pytest.raises(ImportRefused, match=r"no \*\.pkl below it; expected LabelBench's results/ folder"):
        read_labelbench(tmp_path)
    done = CliRunner().invoke(app, ["import", "labelbench", str(tmp_path / "absent")])
    assert done.exit_code == 2 and "no *.pkl below it" in done.stderr
    write(tmp_path)
    done = CliRunner().invoke(
        app, ["import", "labelbench", str(tmp_path), "--metric", "auc", "--to", str(tmp_path / "t")]
    )
    assert done.exit_code == 2 and "no run has the metric 'auc'; there are: test_accuracy" in done.stderr
    assert not (tmp_path / "t").exists()
