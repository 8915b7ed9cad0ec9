"""W&B projects, read through a stand-in with the shapes of W&B's public API."""

import json
from dataclasses import dataclass, field

import pytest
from typer.testing import CliRunner

from labelbench_plus.cli import app
from labelbench_plus.importers import wandb as wandb_import
from labelbench_plus.importers.imported import ImportRefused
from labelbench_plus.importers.wandb import read_wandb, wandb_results
from labelbench_plus.leaderboard.results import read_results
from labelbench_plus.suite import load_suite

PROJECT = "me/labelbench-plus"


@dataclass
class StandInRun:
    id: str
    config: dict
    history: list
    name: str = "badge · seed 0"
    state: str = "finished"
    summary: dict = field(default_factory=dict)
    error: Exception | None = None

    def scan_history(self, *, page_size):
        if self.error:
            raise self.error
        yield from self.history


@dataclass
class StandInApi:
    """Lists runs as `wandb.Api` does; asking for another project fails as there."""

    listed: list
    asked: list = field(default_factory=list)

    def runs(self, path):
        self.asked.append(path)
        if path != PROJECT:
            raise ValueError(f"Could not find project {path}\n(with a long text below it)")
        yield from self.listed


def mirrors(suite_file, **changes):
    """What `WandbMirror` would have sent of the small suite's runs."""
    found = []
    for spec in load_suite(suite_file()).runs():
        history = [
            {
                "_step": number,
                "_runtime": 1.5 * number,
                "_timestamp": 1.7e9 + number,
                "round": number,
                "num_labels": 20 + 10 * number,
                "spent": 20.0 + 10 * number,
                "test/accuracy": 0.5 + 0.1 * number + 0.001 * spec.seed,
                "test/nll": 1.0,
                "cost/train_seconds": 0.25,
                "lbp/last_round": number,
            }
            for number in range(3)
        ]
        config = {**spec.as_json(), "run_id": spec.id}
        found.append(StandInRun(spec.id, config, history, summary={"lbp/last_round": 2}, **changes))
    return found


def labelbench_run(**changes):
    config = {
        "seed": 1234,
        "wandb_name": "me",
        "dataset": "cifar10",
        "batch_size": 10,
        "num_batch": 3,
        "embed_model_config": "clip_ViTB32.json",
        "classifier_model_config": "linear.json",
        "strategy_config": "margin_sampling.json",
        "trainer_config": "cifar10/flexmatch.json",
        "corrupter_config": "noiseless.json",
    }
    history = [
        {"_step": r, "Num Labeled": 10 * (r + 1), "Test Accuracy": 0.5 + r / 10, "Test Loss": "NaN", "i": None}
        for r in range(3)
    ]
    history += [{"_step": 3 + i, "i": i, "Label index": 7 * i, "Num Labeled": None} for i in range(30)]
    return StandInRun("abc123", {**config, **changes}, history)


def test_mirrors_of_ours_come_back_as_they_were_sent(suite_file):
    sent = mirrors(suite_file)
    found = read_wandb(StandInApi(sent), PROJECT)
    assert not found.refused
    results = wandb_results(found.runs, PROJECT, None)
    assert results.meta.metric == "accuracy" and results.meta.higher_is_better
    assert {run.id for run in found.runs} == {run.id for run in sent}
    (setting,) = results.board().settings
    assert setting.n_runs == 4 and not setting.runs.excluded
    assert (setting.problem, setting.trainer) == ("classification(digits, pixels)", "logistic_regression")
    assert list(setting.runs.runs) == ["margin", "random"]
    run = setting.runs.runs["margin"][1]
    assert run.values.tolist() == [0.501, 0.601, 0.701] and run.labels.tolist() == [20, 30, 40]
    assert run.train_seconds == 0.75 and run.validation_labels == 0
    assert results.meta.badge_of(run.run_id) == "imported"


def test_labelbenchs_own_runs_are_read_with_their_bought_labels():
    found = read_wandb(StandInApi([labelbench_run()]), PROJECT)
    assert not found.refused
    (run,) = found.runs
    assert not run.defects
    assert (run.strategy, run.seed, run.trainer) == ("margin", 1234, "linear flexmatch")
    assert run.problem == "cifar10 (10 labels a round, clip_ViTB32)"
    assert dict(run.scores) == {"test_accuracy": (0.5, 0.6, 0.7)}
    assert run.source["bought"]["entries"] == 30
    results = wandb_results(found.runs, PROJECT, None)
    assert results.meta.metric == "test_accuracy" and len(results.board().settings[0].areas["margin"]) == 1


def test_a_run_with_a_proxy_stands_apart_and_choosing_counts_what_it_took_there(suite_file):
    run = mirrors(suite_file)[0]
    run.config = {**run.config, "proxy": {"name": "mlp", "version": 1}}
    run.history = [{**row, "cost/select_seconds": 0.5, "cost/strategy.proxy_seconds": 2.0} for row in run.history]
    (found,) = read_wandb(StandInApi([run]), PROJECT).runs
    assert found.trainer == "logistic_regression, labels chosen by mlp"
    assert found.costs["select_seconds"] == (2.5, 2.5, 2.5)


def defect(change, suite_file):
    """The defects of one mirror after `change` was done to it."""
    run = mirrors(suite_file)[0]
    change(run)
    (found,) = read_wandb(StandInApi([run]), PROJECT).runs
    return " | ".join(found.defects)


CHANGES = {
    "crashed": (lambda run: setattr(run, "state", "crashed"), "not finished: W&B calls it 'crashed'"),
    "short": (lambda run: run.history.pop(), "its summary speaks of round 2, its history ends with round 1"),
    "hole": (lambda run: run.history.pop(1), "of rounds 0 to 2, 1 were lost on the way"),
    "twice": (
        lambda run: run.history.append({**run.history[1], "test/accuracy": 0.9}),
        "round 1 was logged twice, with different values",
    ),
    "falling": (lambda run: run.history[1].update(num_labels=5), "its count of labels falls"),
    "rounds": (lambda run: run.config.update(amounts=[20.0, 10.0, 10.0, 10.0]), "3 of 4 rounds are there"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_lost_on_the_way_is_a_defect(change, suite_file):
    apply, message = CHANGES[change]
    assert message in defect(apply, suite_file)


def test_a_round_sent_again_after_a_resume_is_one_round(suite_file):
    assert defect(lambda run: run.history.append({**run.history[1], "_step": 9}), suite_file) == ""


def test_lost_and_missing_indices_of_labelbench_are_defects():
    holed, short = labelbench_run(), labelbench_run(seed=2)
    del holed.history[8]
    del short.history[-2:]
    (first, second) = read_wandb(StandInApi([holed, short]), PROJECT).runs
    assert first.defects == ("1 of its 30 bought indices are lost",)
    assert second.defects == ("28 bought indices are listed for 30 labels",)


def test_runs_that_are_neither_are_named(suite_file):
    foreign = StandInRun("f1", {"lr": 0.1}, [{"loss": 1.0}])
    bare = labelbench_run()
    del bare.config["trainer_config"]
    wild = labelbench_run()
    wild.history[-1]["i"] = 10**12
    broken = StandInRun("b1", {}, [], error=TimeoutError("the read timed out"))
    evaluation = labelbench_run(eval_trainer_config="x.json")
    found = read_wandb(StandInApi([foreign, bare, wild, broken, evaluation, *mirrors(suite_file)]), PROJECT)
    assert len(found.runs) == 4
    for line, message in zip(
        found.refused,
        (
            "run f1 (badge · seed 0): its history has neither 'Num Labeled' (LabelBench) nor 'num_labels' (ours)",
            "its config lacks trainer_config",
            "it logged 30 bought indices, numbered up to 1000000000000",
            "run b1 (badge · seed 0) could not be read: the read timed out",
            "a point evaluation",
        ),
        strict=True,
    ):
        assert message in line


def test_plugins_that_are_not_here_do_not_stop_an_import(suite_file):
    run = mirrors(suite_file)[0]
    run.config["strategy"] = {"name": "of_another_package", "version": 3, "x": float("nan")}
    (found,) = read_wandb(StandInApi([run]), PROJECT).runs
    assert found.strategy == "of_another_package" and found.validation_labels is None
    assert "unknown strategy 'of_another_package'" in found.source["not built"]
    assert json.dumps(found.config, allow_nan=False)


def test_a_wrong_name_and_a_dead_service_are_told_in_words():
    with pytest.raises(ImportRefused, match="expected ENTITY/PROJECT"):
        read_wandb(StandInApi([]), "labelbench-plus")
    with pytest.raises(ImportRefused, match="did not list its runs: Could not find project me/other; is the name"):
        read_wandb(StandInApi([]), "me/other")
    with pytest.raises(ImportRefused, match="W&B knows no runs of it"):
        read_wandb(StandInApi([]), PROJECT)
    dead = [StandInRun(f"r{n}", {}, [], error=OSError("429 too many requests")) for n in range(5)]
    with pytest.raises(ImportRefused, match="3 runs in a row could not be read, nothing was written: 429 too many"):
        read_wandb(StandInApi(dead), PROJECT)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("No API key configured. Use `wandb login` to log in.", "No API key configured. Use `wandb login` to log in"),
        ("the service is down", "the service is down; `wandb login` first"),
    ],
)
def test_a_service_that_lets_nobody_in_says_once_what_to_do(monkeypatch, said, shown):
    import wandb

    def refuse(timeout):
        raise wandb.errors.UsageError(said)

    monkeypatch.setattr(wandb, "Api", refuse)
    with pytest.raises(ImportRefused) as refusal:
        wandb_import.connect()
    assert str(refusal.value) == f"W&B is unavailable: {shown}"


def test_importing_twice_gives_the_same_bytes(suite_file, tmp_path, monkeypatch):
    runs = mirrors(suite_file)
    for order, folder in ((runs, "a"), (runs[::-1], "b")):
        monkeypatch.setattr(wandb_import, "connect", lambda order=order: StandInApi(order))
        done = CliRunner().invoke(app, ["import", "wandb", PROJECT, "--to", str(tmp_path / folder)])
        assert done.exit_code == 0, done.output
        assert "4 runs imported" in done.stdout
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in names)
    CliRunner().invoke(app, ["import", "wandb", PROJECT, "--to", str(tmp_path / "a")])
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == names
    assert len(read_results(tmp_path / "a").records) == 4


def test_the_command_says_what_it_left_out(suite_file, tmp_path, monkeypatch):
    runs = [StandInRun("f1", {}, [{"loss": 1.0}]), *mirrors(suite_file)]
    monkeypatch.setattr(wandb_import, "connect", lambda: StandInApi(runs))
    done = CliRunner().invoke(app, ["import", "wandb", PROJECT, "--to", str(tmp_path / "to"), "--json"])
    assert done.exit_code == 1
    assert "not imported: run f1" in done.stderr and len(json.loads(done.stdout)["refused"]) == 1
    done = CliRunner().invoke(app, ["import", "wandb", "me/other", "--to", str(tmp_path / "to")])
    assert done.exit_code == 2 and "Could not find project me/other" in done.stderr


EVIL = "from pathlib import Path\nPath(__file__).with_name('ran').touch()\nclass X:\n    input_types = []\n"


@pytest.mark.parametrize("place", ["strategy", "initial", "problem", "trainer"])
def test_nothing_that_a_config_on_wandb_names_is_run_or_opened(suite_file, tmp_path, place):
    (tmp_path / "evil.py").write_text(EVIL)
    hostile = {
        "strategy": {"name": "labelbench", "version": 1, "target": "evil:X", "checkout": str(tmp_path)},
        "problem": {
            "name": "classification",
            "version": 1,
            "dataset": {"name": "arrays", "version": 1, "path": str(tmp_path / "evil.py")},
        },
        "trainer": {
            "name": "finetune",
            "version": 1,
            "network": {"name": "timm", "version": 1, "model": "resnet18", "weights": "pretrained"},
        },
    }
    (run, *_) = mirrors(suite_file)
    run.config[place] = hostile.get(place, hostile["strategy"])
    ((found,), refused) = (lambda read: (read.runs, read.refused))(read_wandb(StandInApi([run]), PROJECT))
    assert not refused and "outside the benchmark" in found.source["not built"]
    assert not (tmp_path / "ran").exists()


def test_a_problem_that_is_dear_to_build_is_named_and_not_built(suite_file):
    (run, *_) = mirrors(suite_file)
    dataset = {"name": "friedman", "version": 1, "function": 1, "pool": 10**9}
    run.config["problem"] = {"name": "regression", "version": 1, "dataset": dataset}
    network = {"name": "perceptron", "version": 1}
    run.config["trainer"] = {"name": "finetune", "version": 1, "network": network, "patience": 3}
    (found,) = read_wandb(StandInApi([run]), PROJECT).runs
    assert found.source["not built"] == "its validation labels could not be counted: 200 MB"


@pytest.mark.parametrize("deep", [100, 10_000])
def test_configs_that_are_none_are_refused_one_by_one(suite_file, deep):
    runs = mirrors(suite_file)
    nested = []
    for _ in range(deep):
        nested = [nested]
    for run in runs[:3]:
        run.config["note"] = nested
    read = read_wandb(StandInApi(runs), PROJECT)
    assert len(read.runs) == 1 and len(read.refused) == 3
    assert all("its config is none" in line for line in read.refused)
