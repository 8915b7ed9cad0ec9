"""Ten rounds of training beside the same schedule in plain PyTorch: seconds, and test accuracy of both.

    python -m benchmarks.speed.training                              # all four, under four minutes on an idle core
    python -m benchmarks.speed.training --only features --steps 500 --seeds 0 1 2
    python -m benchmarks.speed.training --only images --image-steps 200 --workers 0 2 4
    python -m benchmarks.speed.training --only probe --labels 100 1000 10000

FlexMatch and supervised training on Fashion-MNIST, of a perceptron on frozen features (50 principal components of four
augmented copies of each image) and of a small convolutional network on the images. In every round a batch of labels is
bought at random, then ours and the plain program (`plain_training.py`) train on them and predict the test set, in turn,
in one process. What both read (the pool, the copies' features) is computed beforehand.

They draw differently, so that their accuracies agree within noise only: the last column is the mean over rounds and
seeds of ours minus theirs, with its standard error.

The linear probe is measured beside scikit-learn's `LogisticRegression` on the same objective, at scikit-learn's default
tolerance and at one that comes as close to the optimum as ours.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from labelbench_plus.features.feature_cache import default_cache_dir
from torch import Tensor, nn

import labelbench_plus  # noqa: F401 first, so that torchvision can be imported where its extension cannot
from benchmarks.speed import plain_training as plain
from benchmarks.speed.frame import Measurement, environment, limited_threads, measure, table
from labelbench_plus.algorithms.learners.logistic_regression import logistic_regression
from labelbench_plus.budget import Ledger
from labelbench_plus.features.training_inputs import Images
from labelbench_plus.plugins import registry
from labelbench_plus.problems import Place
from labelbench_plus.problems.classification import ClassificationData
from labelbench_plus.seeding import Streams

CLASSES = 10
COPIES = 4
AUGMENT = {
    "features": {"name": "images", "margin": 0.0},  # principal components do not survive a shift: without it 0.1 better
    "images": {"name": "images"},
}
L2 = 0.01
METHODS = {"supervised": "finetune", "FlexMatch": "flexmatch"}


@dataclass(frozen=True)
class PlainModel:
    """The plain program's network behind the interface of a model."""

    network: nn.Module
    reads: str
    image_size: None = None

    @torch.no_grad()
    def probabilities(self, inputs: Tensor | Images) -> Tensor:
        parts = inputs.split(256 if self.reads == "images" else 16_384)
        return torch.cat(
            [self.network(part / 255 if self.reads == "images" else part).softmax(dim=1) for part in parts]
        )


def opened(pool: int | None) -> Any:
    """The problem, with so many images in its pool."""
    conditions = [{"name": "subset", "size": pool}] if pool else []
    encoder = {"name": "pca", "dimensions": 50}
    problem = {"name": "classification", "dataset": "fashion_mnist", "encoder": encoder, "conditions": conditions}
    return registry("problems").build(problem).open(Place(default_cache_dir()), Streams(0))


def bought(instance: Any, size: int, rounds: int, seed: int) -> list[ClassificationData]:
    """What a trainer sees after each round of `size` labels, bought at random."""
    ledger, found = Ledger(), []
    pool = len(instance.training_data(ledger, with_validation=False).pool_features)
    order = torch.as_tensor(np.random.default_rng(seed).permutation(pool)[: size * rounds])
    for items in order.split(size):
        instance.oracle.answer(items, float(size), ledger)
        found.append(instance.training_data(ledger, with_validation=False))
    return found


def our_fit(
    method: str, reads: str, how: plain.Schedule, width: int, data: ClassificationData, streams: Streams
) -> Any:
    network = {"name": "perceptron"} if reads == "features" else {"name": "small_cnn", "width": width}
    own = {"ratio": how.ratio, "threshold": how.threshold, "labels_first": 0.0} if method == "FlexMatch" else {}
    shared = {name: getattr(how, name) for name in ("steps", "batch", "learning_rate", "weight_decay", "warmup", "ema")}
    trainer = registry("trainers").build(
        {"name": METHODS[method], "network": network, "augment": AUGMENT[reads], "copies": COPIES, **shared, **own}
    )
    return trainer.fit(data, streams, None)


def plain_fit(
    method: str, reads: tuple[plain.Read, plain.Read], network: nn.Module, how: plain.Schedule, data: ClassificationData
) -> nn.Module:
    weak, strong = reads
    rows = data.labelled.rows.tolist()
    labelled = plain.Labelled(rows, data.labelled.labels.tolist(), weak)
    others = sorted(set(range(len(data.pool_features))).difference(rows))
    unlabelled = plain.Unlabelled(others, weak, strong) if method == "FlexMatch" else None
    return plain.trained(network, CLASSES, labelled, unlabelled, how)


def compared(
    instance: Any,
    method: str,
    reads: str,
    how: plain.Schedule,
    width: int,
    workers: list[int],
    data: list[ClassificationData],
    seed: int,
) -> list[dict[str, Measurement]]:
    """For each round the measurements by name; a result is the test accuracy."""
    inputs = data[0].inputs
    assert inputs is not None
    if reads == "images":
        images = inputs.pool_images(None)
        read = plain.reads_of_images(images[torch.arange(len(images))])
    else:
        augment = registry("augmentations").build(AUGMENT[reads])
        copies = [torch.stack(list(inputs.copies(augment, strength, COPIES))) for strength in ("weak", "strong")]
        read = plain.reads_of_copies(*copies)

    def ours(number: int, schedule: plain.Schedule) -> float:
        model = our_fit(method, reads, schedule, width, data[number], Streams(seed).round(number))
        return instance.evaluate(model)["accuracy"]

    def theirs(number: int, schedule: plain.Schedule) -> float:
        random.seed(1000 * seed + number)
        torch.manual_seed(1000 * seed + number)
        build = plain.small_cnn(width, CLASSES) if reads == "images" else plain.perceptron(50, CLASSES)
        return instance.evaluate(PlainModel(plain_fit(method, read, build, schedule, data[number]), reads))["accuracy"]

    ours(0, replace(how, steps=2)), theirs(0, replace(how, steps=2))  # loads what libraries load at first use
    measured = []
    for number in range(len(data)):
        calls: dict[str, Callable[[], float]] = {"ours": lambda n=number: ours(n, how)}  # type: ignore[misc]
        for count in workers:
            schedule = replace(how, workers=count)
            calls[plain_name(count)] = lambda n=number, s=schedule: theirs(n, s)  # type: ignore[misc]
        measured.append(measure(calls, repeats=1))
    return measured


def plain_name(workers: int) -> str:
    return f"plain, {workers} workers" if workers else "plain, no workers"


def summed(method: str, reads: str, rounds: list[dict[str, Measurement]]) -> list[dict[str, Any]]:
    """One record a program: seconds over the rounds of a run, averaged over seeds; accuracies in order."""
    records = []
    for name in rounds[0]:
        entries = [measured[name] for measured in rounds]
        accuracies = [entry.results[0] for entry in entries]
        differences = [measured["ours"].results[0] - measured[name].results[0] for measured in rounds]
        records.append(
            {
                "method": method,
                "reads": reads,
                "program": name,
                "cpu_seconds": sum(entry.cpu for entry in entries),
                "wall_seconds": sum(entry.wall_seconds[0] for entry in entries),
                "accuracies": accuracies,
                "ours_minus_theirs": statistics.fmean(differences),
                "standard_error": statistics.stdev(differences) / len(differences) ** 0.5
                if len(differences) > 1
                else 0.0,
            }
        )
    return records


def probes(labels: list[int], repeats: int) -> list[dict[str, Any]]:
    """The linear probe beside scikit-learn's, on so many labelled examples."""
    from sklearn.linear_model import LogisticRegression

    instance, records = opened(None), []
    for count in labels:
        data = bought(instance, count, 1, seed=0)[0]
        features, targets = data.labelled.features, data.labelled.labels
        x, y = features.double().numpy(), targets.numpy()

        def ours(features: Tensor = features, targets: Tensor = targets) -> tuple[Tensor, Tensor]:
            fit = logistic_regression(features, targets, CLASSES, l2=L2)
            return fit.weight, fit.bias

        def theirs(tolerance: float, x: np.ndarray = x, y: np.ndarray = y) -> tuple[Tensor, Tensor]:
            fit = LogisticRegression(C=1 / (len(y) * L2), tol=tolerance, max_iter=10_000).fit(x, y)
            return torch.as_tensor(fit.coef_), torch.as_tensor(fit.intercept_)

        calls = {
            "ours": ours,
            "scikit-learn, tol 1e-4": lambda: theirs(1e-4),
            "scikit-learn, tol 1e-7": lambda: theirs(1e-7),
        }
        for call in calls.values():
            call()
        measured = measure(calls, repeats=repeats)
        for name, entry in measured.items():
            weight, bias = entry.results[0]
            loss = nn.functional.cross_entropy(features.double() @ weight.T + bias, targets)
            records.append(
                {
                    "labels": count,
                    "program": name,
                    "cpu_seconds": entry.cpu,
                    "times_ours": entry.cpu / measured["ours"].cpu,
                    "objective": float(loss + 0.5 * L2 * weight.square().sum()),
                }
            )
    return records


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only", nargs="+", choices=["features", "images", "probe"], help="what to measure; all if left out"
    )
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--pool", type=int, default=2000, help="images in the pool")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--size", type=int, default=20, help="labels a round")
    parser.add_argument("--steps", type=int, default=200, help="on features")
    parser.add_argument("--batch", type=int, default=64, help="on features")
    parser.add_argument("--ratio", type=int, default=4, help="unlabelled examples for each labelled one, on features")
    parser.add_argument("--learning-rate", type=float, default=3e-3, help="on features")
    parser.add_argument("--image-steps", type=int, default=60)
    parser.add_argument("--image-batch", type=int, default=32)
    parser.add_argument("--image-ratio", type=int, default=1)
    parser.add_argument("--image-learning-rate", type=float, default=0.03)
    parser.add_argument("--width", type=int, default=8, help="channels of the first convolution")
    parser.add_argument("--workers", type=int, nargs="*", default=[0, 2], help="of the plain program's DataLoaders")
    parser.add_argument("--labels", type=int, nargs="+", default=[100, 1000, 10_000], help="of the linear probe")
    parser.add_argument("--repeats", type=int, default=3, help="of the linear probe")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, help="write all figures to this JSON file")
    options = parser.parse_args(arguments)
    wanted, records, solved = options.only or ["features", "images", "probe"], [], []
    schedules = {
        "features": plain.Schedule(options.steps, options.batch, options.ratio, options.learning_rate, workers=0),
        "images": plain.Schedule(
            options.image_steps, options.image_batch, options.image_ratio, options.image_learning_rate, workers=0
        ),
    }
    with limited_threads(options.threads):
        instance = opened(options.pool)
        for reads, how in schedules.items():
            for method in options.methods if reads in wanted else []:
                rounds = []
                for seed in options.seeds:
                    data = bought(instance, options.size, options.rounds, seed)
                    rounds += compared(instance, method, reads, how, options.width, options.workers, data, seed)
                records += summed(method, reads, rounds)
        if "probe" in wanted:
            solved = probes(options.labels, options.repeats)
    print("\n\n".join(report(records, solved, len(options.seeds))))
    if options.out is not None:
        chosen = {name: value for name, value in vars(options).items() if name != "out"}
        content = {"environment": environment(options.threads), "options": chosen, "runs": records, "probes": solved}
        options.out.write_text(json.dumps(content, indent=1) + "\n")


def report(records: list[dict[str, Any]], solved: list[dict[str, Any]], seeds: int) -> list[str]:
    """The figures as text: seconds of one run of all rounds."""
    tables = []
    if records:
        header = ["run", "program", "CPU s", "× ours", "wall s", "× ours", "accuracy", "last", "ours − theirs"]
        lines = []
        for record in records:
            own = next(r for r in records if (r["method"], r["reads"]) == (record["method"], record["reads"]))
            accuracies = np.array(record["accuracies"]).reshape(seeds, -1)
            lines.append(
                [
                    f"{record['method']}, {record['reads']}",
                    record["program"],
                    f"{record['cpu_seconds'] / seeds:.1f}",
                    f"{record['cpu_seconds'] / own['cpu_seconds']:.1f}",
                    f"{record['wall_seconds'] / seeds:.1f}",
                    f"{record['wall_seconds'] / own['wall_seconds']:.1f}",
                    f"{accuracies.mean():.3f}",
                    f"{accuracies[:, -1].mean():.3f}",
                    "" if record is own else f"{record['ours_minus_theirs']:+.4f} ± {record['standard_error']:.4f}",
                ]
            )
        tables.append(table(header, lines))
    if solved:
        header = ["labels", "program", "CPU ms", "× ours", "objective"]
        tables.append(
            table(
                header,
                [
                    [
                        str(record["labels"]),
                        record["program"],
                        f"{1000 * record['cpu_seconds']:.1f}",
                        f"{record['times_ours']:.1f}",
                        f"{record['objective']:.9f}",
                    ]
                    for record in solved
                ],
            )
        )
    return tables


if __name__ == "__main__":
    main()
