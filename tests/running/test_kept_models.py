"""`--keep-models`: the last model of a run stays in its folder, reads back as it was, and is no part of the run."""

import pytest
import torch
from typer.testing import CliRunner

import labelbench_plus
from labelbench_plus.budget import Ledger
from labelbench_plus.cli import app
from labelbench_plus.contracts.problems import Place
from labelbench_plus.plugins import registry
from labelbench_plus.running.job import Job, Where, carry_out
from labelbench_plus.seeding import Streams
from labelbench_plus.store.run_store import RunStore
from labelbench_plus.suite import load_suite
from labelbench_plus.testing.trainer_checks import Fits

SAVING = {
    "logistic_regression": {},
    "label_propagation": {},
    "binary_relevance": {},
    "mlp": {"steps": 3, "dropout": 0.1, "passes": 2},
    "finetune": {"network": {"name": "perceptron", "hidden": 4}, "augment": "noise", "steps": 3, "batch": 8},
    "fixmatch": {"network": "linear", "augment": "noise", "steps": 3, "batch": 8, "ratio": 1},
    "ensemble": {"of": {"name": "mlp", "steps": 3}, "members": 2},
}


@pytest.mark.parametrize("name", SAVING)
def test_a_model_reads_back_as_it_was(name, tmp_path):
    trainer = registry("trainers").build({"name": name, **SAVING[name]})
    assert trainer.saves_models
    fits = Fits(trainer)
    model = trainer.fit(fits.data, Streams(0), None)
    trainer.save_model(model, tmp_path)
    found = trainer.load_model(tmp_path)
    assert type(found) is type(model)
    for offered in trainer.provides:
        features = fits.data.pool_features
        assert torch.equal(getattr(found, offered)(features), getattr(model, offered)(features))


def test_a_network_of_images_reads_back_as_it_was(tmp_path):
    problem = registry("problems").build({"name": "classification", "dataset": "digits", "encoder": "pixels"})
    instance = problem.open(Place(tmp_path / "cache"), Streams(0))
    ledger = Ledger()
    instance.oracle.answer(torch.arange(20), 20.0, ledger)
    fields = {"network": "small_cnn", "augment": None, "steps": 2, "batch": 8}
    trainer = registry("trainers").build({"name": "finetune", **fields})
    model = trainer.fit(instance.training_data(ledger, with_validation=False), Streams(0), None)
    trainer.save_model(model, tmp_path)
    assert instance.evaluate(trainer.load_model(tmp_path)) == instance.evaluate(model)


@pytest.fixture
def spec(suite_file):
    return load_suite(suite_file(("[random, margin]", "[margin]"), ("seeds: 0..1", "seeds: [0]"))).runs()[0]


def job(spec, tmp_path, **options):
    return Job.of(spec, Where(tmp_path / "out", tmp_path / "cache"), **options)


def scores_of(spec, model, tmp_path):
    return spec.problem.open(Place(tmp_path / "cache"), Streams(spec.seed)).evaluate(model)


def test_the_last_model_stays_and_the_run_is_the_same(spec, tmp_path):
    carry_out(job(spec, tmp_path), lambda rounds: None)
    store = RunStore(tmp_path / "out", spec.id)
    plain = {path.name: path.read_bytes() for path in store.folder.glob("rounds/*")}
    assert not store.model_folder.exists()
    with pytest.raises(FileNotFoundError, match="--keep-models"):
        labelbench_plus.load_model(store.folder)

    kept = RunStore(tmp_path / "kept", spec.id)
    carry_out(Job.of(spec, Where(tmp_path / "kept", tmp_path / "cache"), keep_model=True), lambda rounds: None)
    assert {path.name: path.read_bytes() for path in kept.folder.glob("rounds/*")} == plain
    assert (kept.folder / "result.json").read_bytes() == (store.folder / "result.json").read_bytes()
    model = labelbench_plus.load_model(kept.folder)
    assert scores_of(spec, model, tmp_path) == kept.rounds()[-1].scores


def test_of_a_run_that_is_done_the_model_is_trained_again(spec, tmp_path):
    carry_out(job(spec, tmp_path), lambda rounds: None)
    store = RunStore(tmp_path / "out", spec.id)
    before = {path: path.read_bytes() for path in store.folder.glob("rounds/*")}
    assert carry_out(job(spec, tmp_path, keep_model=True), lambda rounds: None) == "finished"
    assert scores_of(spec, labelbench_plus.load_model(store.folder), tmp_path) == store.rounds()[-1].scores
    assert {path: path.read_bytes() for path in store.folder.glob("rounds/*")} == before
    assert carry_out(job(spec, tmp_path, keep_model=True), lambda rounds: None) == "already done"


def test_killed_before_the_model_is_there_it_is_made_in_the_next_attempt(spec, tmp_path, monkeypatch):
    original = RunStore.keep_model

    def killed(self, write, lease):
        raise KeyboardInterrupt

    monkeypatch.setattr(RunStore, "keep_model", killed)
    with pytest.raises(KeyboardInterrupt):
        carry_out(job(spec, tmp_path, keep_model=True), lambda rounds: None)
    monkeypatch.setattr(RunStore, "keep_model", original)
    store = RunStore(tmp_path / "out", spec.id)
    assert not store.done
    carry_out(job(spec, tmp_path, keep_model=True), lambda rounds: None)
    assert store.done
    assert scores_of(spec, labelbench_plus.load_model(store.folder), tmp_path) == store.rounds()[-1].scores


def test_a_trainer_without_is_refused_before_any_work(suite_file, tmp_path):
    plugin = tmp_path / "no_saving.py"
    plugin.write_text(
        "from dataclasses import dataclass\nfrom labelbench_plus.trainers import Trainer, trainers\n"
        "@trainers.register('no_saving')\n@dataclass(frozen=True)\nclass NoSaving(Trainer):\n"
        "    '''Saves nothing.'''\n    task = 'classification'\n"
        "    provides = frozenset({'probabilities', 'embeddings'})\n"
    )
    suite, out = suite_file(("[logistic_regression]", "[no_saving]")), tmp_path / "out"
    for command in (["run"], ["sweep", "submit", "--yes"]):
        arguments = [*command, str(suite), "--plugin", str(plugin), "--out", str(out), "--keep-models"]
        refused = CliRunner().invoke(app, arguments)
        assert refused.exit_code == 2
        assert "models of trainer 'no_saving' cannot be kept" in refused.stderr
        assert not out.exists()
    with pytest.raises(ValueError, match="'no_saving'"):
        labelbench_plus.run_suite(load_suite(suite), out, plugin_files=[plugin], keep_models=True)


def test_the_command_leaves_models_and_shows_where(suite_file, tmp_path):
    suite = suite_file(("[random, margin]", "[random]\nbaseline: random"), ("seeds: 0..1", "seeds: [0]"))
    arguments = ["run", str(suite), "--out", str(tmp_path / "out"), "--jobs", "1", "--keep-models"]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    (folder,) = (tmp_path / "out" / "runs").iterdir()
    assert labelbench_plus.load_model(folder).probabilities(torch.zeros(3, 64)).shape == (3, 10)
    shown = CliRunner().invoke(app, ["show", folder.name, "--out", str(tmp_path / "out")]).stdout
    assert f"its last model: {folder.resolve() / 'model'}" in shown
