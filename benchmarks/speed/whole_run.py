"""A whole run beside the same run with scikit-learn's solver: ten rounds of margin sampling on Fashion-MNIST pixels.

    python -m benchmarks.speed.whole_run [--repeats 3] [--rounds 10] [--batch 100]

Both runs go through the same loop, store and metrics; only the trainer differs. Each repeat runs both, one after the
other, and the ratios are of the same repeat. scikit-learn is run to the same optimum (tol 1e-6) and, for fairness the
other way, at its default tolerance too, where it stops short.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from labelbench_plus.features.feature_cache import default_cache_dir

from labelbench_plus.loop import run
from labelbench_plus.plugins import registry
from labelbench_plus.problems import Place
from labelbench_plus.spec import RunSpec
from labelbench_plus.store.run_store import RunStore
from labelbench_plus.trainers import Trainer, trainers

L2 = 0.01


@dataclass(frozen=True)
class ScikitModel:
    """A fitted scikit-learn classifier behind the interface of a model."""

    classifier: Any
    num_classes: int

    def probabilities(self, features: torch.Tensor) -> torch.Tensor:
        found = torch.zeros(len(features), self.num_classes, dtype=torch.float64)
        found[:, torch.as_tensor(self.classifier.classes_)] = torch.as_tensor(
            self.classifier.predict_proba(features.numpy().astype(np.float64))
        )
        return found


@trainers.register("scikit_learn")
@dataclass(frozen=True)
class ScikitLearn(Trainer):
    """scikit-learn's LogisticRegression with our objective."""

    task = "classification"
    provides = frozenset({"probabilities"})

    tolerance: float = 1e-4

    def fit(self, data: Any, streams: Any, previous: Any) -> ScikitModel:
        from sklearn.linear_model import LogisticRegression

        labelled = data.labelled
        classifier = LogisticRegression(C=1 / (len(labelled.labels) * L2), tol=self.tolerance, max_iter=5000)
        classifier.fit(labelled.features.numpy().astype(np.float64), labelled.labels.numpy())
        return ScikitModel(classifier, data.num_classes)


def timed(trainer: dict[str, Any], rounds: int, batch: int) -> tuple[float, float, float]:
    """CPU seconds of the whole run, of its training alone, and the final accuracy."""
    spec = RunSpec(
        registry("problems").build({"name": "classification", "dataset": "fashion_mnist", "encoder": "pixels"}),
        registry("trainers").build(trainer),
        registry("strategies").build("margin"),
        registry("strategies").build("random"),
        (float(batch),) * rounds,
        seed=0,
    )
    place = Place(default_cache_dir())
    with tempfile.TemporaryDirectory() as folder:
        store = RunStore(Path(folder), spec.id)
        lease = store.open(spec, {})
        start = time.process_time()
        run(spec, store, lease, place, lambda record, costs: None)
        seconds = time.process_time() - start
        lease.release("finished")
        training = sum(costs["train_seconds"] or 0 for costs in store.costs())
        return seconds, training, store.rounds()[-1].scores["accuracy"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--batch", type=int, default=100)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    runs = {
        "ours": {"name": "logistic_regression", "l2": L2},
        "scikit-learn, same optimum": {"name": "scikit_learn", "tolerance": 1e-6},
        "scikit-learn, its default tolerance": {"name": "scikit_learn"},
    }
    timed(runs["ours"], 1, 10)  # loads the data and the libraries
    found = {name: [] for name in runs}
    for _ in range(arguments.repeats):
        for name, trainer in runs.items():
            found[name].append(timed(trainer, arguments.rounds, arguments.batch))
    print(f"{'':<36}{'run (CPU s)':>12}{'training (s)':>14}{'accuracy':>10}   CPU of the run / ours (min-max)")
    for name, figures in found.items():
        ratios = [figure[0] / own[0] for figure, own in zip(figures, found["ours"], strict=True)]
        whole, training, accuracy = (median(figure[i] for figure in figures) for i in range(3))
        spread = f"{median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
        print(f"{name:<36}{whole:>12.2f}{training:>14.2f}{accuracy:>10.4f}   {spread}")


if __name__ == "__main__":
    main()
