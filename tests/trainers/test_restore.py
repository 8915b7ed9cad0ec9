"""A run that is taken up again asks for its last model; what comes back is the fitted one to the bit, or nothing."""

from dataclasses import replace

import pytest
import torch

from labelbench_plus.plugins import load_plugin_file, registry
from labelbench_plus.running.job import Job, Where, carry_out
from labelbench_plus.seeding import Streams
from labelbench_plus.store import checkpoint as checkpoint_module
from labelbench_plus.store.run_store import RunStore
from labelbench_plus.suite import load_suite
from labelbench_plus.testing.trainer_checks import Fits

TRAINERS = {
    "logistic_regression": "logistic_regression",
    "label_propagation": "label_propagation",
    "finetune": "{name: finetune, network: linear, augment: noise, steps: 3, batch: 8}",
    "flexmatch": "{name: flexmatch, network: linear, augment: noise, steps: 3, batch: 8, ratio: 1}",
}
STOPPED = 2  # rounds of four that are committed before the run is stopped


class Stopped(Exception):
    """Instead of a kill."""


@pytest.fixture
def job(suite_file, tmp_path):
    def of(trainer, root):
        replaced = (
            ("[logistic_regression]", f"[{trainer}]"),
            ("[random, margin]", "[margin]"),
            ("rounds: 3", "rounds: 4"),
        )
        spec = load_suite(suite_file(*replaced)).runs()[0]
        return Job.of(spec, Where(tmp_path / root, tmp_path / "cache"))

    return of


def rounds_of(job):
    return [path.read_bytes() for path in sorted((RunStore(job.where.root, job.run_id).folder / "rounds").iterdir())]


def stop_after(rounds):
    def on_round(number):
        if number == rounds:
            raise Stopped

    return on_round


def counted(name, monkeypatch):
    """A list that grows with every fit of the trainer's class; where fits go on in the middle, with every training."""
    cls, fits = registry("trainers").load(name), []
    method = "train" if hasattr(cls, "train") else "fit"
    original = getattr(cls, method)
    monkeypatch.setattr(cls, method, lambda self, *rest: fits.append(1) or original(self, *rest))
    return fits


def resumed(job, fits):
    with pytest.raises(Stopped):
        carry_out(job, stop_after(STOPPED))
    before = len(fits)
    carry_out(job, lambda rounds: None)
    return len(fits) - before


@pytest.mark.parametrize("name", TRAINERS)
def test_resuming_trains_no_earlier_round_again(name, job, monkeypatch):
    monkeypatch.setattr(checkpoint_module, "EVERY_SECONDS", 0.0)
    whole = job(TRAINERS[name], "whole")
    carry_out(whole, lambda rounds: None)
    fits = counted(name, monkeypatch)
    stopped = job(TRAINERS[name], "stopped")
    # Two rounds are left. Label propagation keeps nothing: its last model is made in one step from the pool and labels.
    assert resumed(stopped, fits) == 2 + (name == "label_propagation")
    assert rounds_of(stopped) == rounds_of(whole)


@pytest.mark.parametrize("name", TRAINERS)
def test_without_checkpoints_the_same_bytes_come_in_more_fits(name, job, monkeypatch):
    whole = job(TRAINERS[name], "whole")
    carry_out(whole, lambda rounds: None)
    fits = counted(name, monkeypatch)
    monkeypatch.setattr(checkpoint_module.CheckpointFile, "load", lambda self: None)
    stopped = job(TRAINERS[name], "stopped")
    replayed = STOPPED if name == "logistic_regression" else 1
    assert resumed(stopped, fits) == 2 + replayed
    assert rounds_of(stopped) == rounds_of(whole)


def test_a_trainer_that_keeps_a_folder_resumes_from_it(job, tmp_path):
    plugin = tmp_path / "folders.py"
    plugin.write_text(PLUGIN)
    load_plugin_file(plugin)
    whole, stopped = job("running_mean", "whole"), job("running_mean", "stopped")
    carry_out(whole, lambda rounds: None)
    fits = registry("trainers").load("running_mean").fits
    fits.clear()
    assert resumed(stopped, fits) == 2
    assert rounds_of(stopped) == rounds_of(whole)
    assert not (RunStore(stopped.where.root, stopped.run_id).folder / "checkpoints").exists()


PLUGIN = '''
from dataclasses import dataclass
import numpy as np, torch
from labelbench_plus.trainers import Trainer, trainers

@dataclass(frozen=True)
class Means:
    """Class means that remember those of the rounds before."""
    means: torch.Tensor
    def probabilities(self, features):
        return (-torch.cdist(features, self.means)).softmax(dim=1)

@trainers.register("running_mean")
@dataclass(frozen=True)
class RunningMean(Trainer):
    """Half the mean of each class, half what the round before said."""
    task = "classification"
    provides = frozenset({"probabilities"})
    continues = True
    fits = []

    def fit(self, data, streams, previous):
        self.fits.append(1)
        at = torch.stack([data.labelled.features[data.labelled.labels == k].sum(0) for k in range(data.num_classes)])
        return Means(at if previous is None else (at + previous.means) / 2)

    def fit_with_checkpoint(self, data, streams, previous, checkpoint):
        model = self.fit(data, streams, previous)
        def write(folder):
            np.save(folder / "means.npy", model.means.numpy())
            (folder / "of.txt").write_text(self._of(data, streams))
        checkpoint.save_folder(write)
        return model

    def restore(self, data, streams, checkpoint):
        folder = checkpoint.load_folder()
        if folder is None or (folder / "of.txt").read_text() != self._of(data, streams):
            return None
        return Means(torch.from_numpy(np.load(folder / "means.npy")))

    def _of(self, data, streams):
        return f"{streams} {data.labelled.rows.tolist()}"
'''


class Held:
    """A checkpoint in memory."""

    def __init__(self):
        self.content = None

    def load(self):
        return self.content

    def due(self):
        return False

    def save(self, state):
        self.content = state


@pytest.mark.parametrize("name", ["logistic_regression", "binary_relevance"])
def test_what_is_restored_is_the_fit_and_of_this_fit_alone(name):
    trainer = registry("trainers").build(name)
    data, streams, held = Fits(trainer).data, Streams(0).round(3), Held()
    assert trainer.restore(data, streams, held) is None
    model = trainer.fit_with_checkpoint(data, streams, None, held)
    found = trainer.restore(data, streams, held)
    assert vars(found.fit).keys() == vars(model.fit).keys()
    for attribute, value in vars(model.fit).items():
        assert torch.equal(torch.as_tensor(value), torch.as_tensor(getattr(found.fit, attribute)))
    assert trainer.restore(data, streams.round(4), held) is None
    assert registry("trainers").build({"name": name, "l2": 0.5}).restore(data, streams, held) is None
    other = replace(data.labelled, labels=data.labelled.labels.flip(0))
    assert trainer.restore(replace(data, labelled=other), streams, held) is None
