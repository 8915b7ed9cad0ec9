"""Exact alternating least squares beside a plain Adam loop: time and excess risk of every round.

    python -m benchmarks.speed.source_tasks                       # small: d = 40, k = 3, 23 tasks, 7,513 labels
    python -m benchmarks.speed.source_tasks --authors --rounds 1  # d = 200, k = 4, 79 tasks, 12,859 labels in round one

Both fit y = (Bᵀx)ᵀ A w to the same labels of the same rounds, bought evenly of all basis tasks, and both fit the
target's head last, by least squares. The Adam loop is written here in the plainest way: minibatches over all labels,
learning rate times 0.9 every 200 steps, and, as in the authors' program, each round going on from the one before.
The settings are theirs: rate 0.1, weight decay 0.01, 80 epochs, batches of 600 (`--epochs` and `--batch` change them).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from labelbench_plus.budget import Ledger
from labelbench_plus.plugins import registry
from labelbench_plus.problems import Place
from labelbench_plus.seeding import Streams
from labelbench_plus.source_tasks.data import SourceTaskData, fit_heads
from labelbench_plus.trainers.source_tasks.joint_linear import LinearSharedModel

SMALL = {"name": "task_space", "inputs": "bilinear", "matrix_seed": 43}
AUTHORS = {**SMALL, "dimension": 200, "rank": 4, "tasks": 79, "target_labels": 800, "matrix_seed": 12434}
AMOUNTS = {"small": (1214, 1579, 2052, 2668), "authors": (12859, 14145, 15560, 17115, 18827)}


class Adam:
    """The plain loop: keeps B and A from round to round."""

    def __init__(self, dimension: int, tasks: int, rank: int, epochs: int, batch: int, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.basis = (torch.randn(dimension, rank, generator=generator) * dimension**-0.5).requires_grad_()
        self.task_map = (torch.randn(rank, tasks, generator=generator) * rank**-0.5).requires_grad_()
        self.epochs, self.batch, self.generator = epochs, batch, generator

    def fit(self, data: SourceTaskData) -> LinearSharedModel:
        inputs, labels, task = tensors(data)
        optimizer = torch.optim.Adam([self.basis, self.task_map], lr=0.1, weight_decay=0.01)
        schedule = torch.optim.lr_scheduler.StepLR(optimizer, 200, 0.9)
        for _ in range(self.epochs):
            for rows in torch.randperm(len(labels), generator=self.generator).split(self.batch):
                heads = self.task_map @ task[rows].T
                predicted = ((inputs[rows] @ self.basis) * heads.T).sum(dim=1)
                loss = ((predicted - labels[rows]) ** 2).mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
        basis = self.basis.detach().double().numpy()
        phi = [part.inputs @ basis for part in data.targets]
        heads, variance = fit_heads(phi, [part.labels for part in data.targets])
        return LinearSharedModel(basis, self.task_map.detach().double().numpy(), heads, variance, len(data.sources))


def tensors(data: SourceTaskData) -> tuple[Tensor, Tensor, Tensor]:
    assert data.descriptors is not None
    rows = np.repeat(data.descriptors, [len(part.labels) for part in data.sources], axis=0)
    inputs, labels = (np.concatenate([getattr(part, name) for part in data.sources]) for name in ("inputs", "labels"))
    return tuple(torch.as_tensor(values, dtype=torch.float32) for values in (inputs, labels, rows))  # type: ignore


def rounds(problem: dict[str, Any], amounts: tuple[int, ...], seed: int) -> tuple[Any, list[SourceTaskData]]:
    """The instance, and what trainers see after each round."""
    instance, ledger = registry("problems").build(problem).open(Place(Path("unused")), Streams(seed)), Ledger()
    strategy, found = registry("strategies").build("uniform_sources"), []
    for amount in amounts:
        view = instance.view(strategy.needs, ledger, None, float(amount))
        instance.oracle.answer(strategy.select(view, amount, np.random.default_rng(0)), float(amount), ledger)
        found.append(instance.training_data(ledger, with_validation=False))
    return instance, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--authors", action="store_true", help="the authors' sizes")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=80)
    parser.add_argument("--batch", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    problem = AUTHORS if arguments.authors else SMALL
    amounts = AMOUNTS["authors" if arguments.authors else "small"][: arguments.rounds]
    instance, shown = rounds(problem, amounts, arguments.seed)
    als = registry("trainers").build("bilinear_als")
    dimension, tasks = shown[0].sources[0].inputs.shape[1], shown[0].descriptors.shape[1]
    adam = Adam(dimension, tasks, instance.rank, arguments.epochs, arguments.batch, arguments.seed)
    torch.optim.Adam([torch.zeros(1)])  # its first use imports for seconds
    print(f"{'round':>5}{'labels':>9}{'least squares':>26}{'Adam':>26}{'time':>8}")
    print(f"{'':>14}{'CPU s':>13}{'excess risk':>13}{'CPU s':>13}{'excess risk':>13}{'ratio':>8}")
    for number, data in enumerate(shown):
        seconds, risks = [], []
        for fit in (lambda data: als.fit(data, Streams(arguments.seed).round(0), None), adam.fit):
            start = time.process_time()
            model = fit(data)
            seconds.append(time.process_time() - start)
            risks.append(instance.evaluate(model)["excess_risk"])
        print(
            f"{number:>5}{sum(len(part.labels) for part in data.sources):>9,}{seconds[0]:>13.2f}{risks[0]:>13.4f}"
            f"{seconds[1]:>13.2f}{risks[1]:>13.4f}{seconds[1] / seconds[0]:>8.1f}"
        )


if __name__ == "__main__":
    main()
