"""Plugins for tests of sweeps, given with --plugin: a trainer that loads quickly, strategies that misbehave."""

import os
import time
from dataclasses import dataclass

import torch

from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.trainers import Trainer, trainers


@dataclass(frozen=True)
class Centroids:
    centres: torch.Tensor

    def probabilities(self, features):
        return (-torch.cdist(features.double(), self.centres)).softmax(dim=1).float()


@trainers.register("centroids")
@dataclass(frozen=True)
class CentroidTrainer(Trainer):
    """The class whose mean is nearest."""

    task = "classification"
    provides = frozenset({"probabilities"})

    def fit(self, data, streams, previous):
        features, labels = data.labelled.features.double(), data.labelled.labels
        centres = torch.full((data.num_classes, features.shape[1]), 1e3, dtype=torch.float64)
        for label in labels.unique():
            centres[label] = features[labels == label].mean(0)
        return Centroids(centres)


def first(view, n, rng):
    return view.candidates[torch.as_tensor(rng.permutation(len(view.candidates))[:n])]


@strategies.register("slow")
@dataclass(frozen=True)
class Slow(PoolStrategy):
    """Random, after as many seconds as LBP_TEST_SLEEP says."""

    def select(self, view, n, rng):
        time.sleep(float(os.environ.get("LBP_TEST_SLEEP", "0")))
        return first(view, n, rng)


@strategies.register("stuck")
@dataclass(frozen=True)
class Stuck(PoolStrategy):
    """Never gets anywhere."""

    def select(self, view, n, rng):
        time.sleep(3600)


@strategies.register("raises")
@dataclass(frozen=True)
class Raises(PoolStrategy):
    """Fails in the same way each time."""

    def select(self, view, n, rng):
        raise ZeroDivisionError("on purpose")


@strategies.register("flaky")
@dataclass(frozen=True)
class Flaky(PoolStrategy):
    """Fails twice through the machine's fault, then not."""

    def select(self, view, n, rng):
        marks = os.environ["LBP_TEST_FLAKY"]
        number = len(os.listdir(marks))
        if number < 2:
            open(os.path.join(marks, str(number)), "w").close()
            raise TimeoutError("the file server did not answer")
        return first(view, n, rng)
