"""Fashion-MNIST-C: tell one class from the rest under one corruption, with labels of other classes and corruptions."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Annotated

import numpy as np
from annotated_types import Ge, Interval

from labelbench_plus.contracts.datasets import Dataset
from labelbench_plus.datasets.fashion_mnist import FashionMNIST
from labelbench_plus.faults import did_you_mean
from labelbench_plus.plugins import From
from labelbench_plus.problems import Place, problems
from labelbench_plus.seeding import Streams
from labelbench_plus.source_tasks.corruptions import CORRUPTIONS, corrupt
from labelbench_plus.source_tasks.data import Samples, SourceModel
from labelbench_plus.source_tasks.instance import SourceInstance
from labelbench_plus.source_tasks.oracle import SourceOracle
from labelbench_plus.source_tasks.papers import A_MTRL
from labelbench_plus.source_tasks.problem import SourceProblem
from labelbench_plus.source_tasks.space import Finite
from labelbench_plus.store.artefacts import Artefacts
from labelbench_plus.store.pieces import Pieces

CORRUPTION_VERSION = 1
CLASSES = 10
CORRUPTION_SEED = 0


@problems.register("corrupted_images")
@dataclass(frozen=True)
class CorruptedImages(SourceProblem):
    """Sixteen corruptions (one of them none) × ten classes = 160 binary tasks, of which one is the target.

    The pool's images are shuffled and cut into ten parts; task (c, j) shows part j under corruption c and asks whether
    the image is of class j, so one label in ten is positive. Sources are the 150 tasks of the other corruptions. Images
    are corrupted once and cached; each run draws the order in which a source's images are sold. The target has
    `target_labels` images of its own part and is tested on `test_size` test images under its corruption.

    Parameters
    ----------
    corruption, label: the target's.
    per_task: images of each task.
    rank: dimension of the representation.
    dataset: grey images of ten classes.

    Scores: `test_mse` of the 0/1 label, which ranks, and `auc`; with nine negatives in ten the share of errors says
    nothing.

    Source: the MNIST-C experiments of Chen, Jamieson, Du (ICML 2022) and Wang, Chen, Jamieson, Du (ICML 2023), on
    Fashion-MNIST and with corruptions of our own.
    """

    title = "Fashion-MNIST-C"
    reference = A_MTRL
    task = "source_tasks"
    ranks_by = "test_mse"

    corruption: str
    label: Annotated[int, Interval(ge=0, lt=CLASSES)]
    per_task: Annotated[int, Ge(1)] = 1500
    target_labels: Annotated[int, Ge(1)] = 300
    test_size: Annotated[int, Ge(1)] = 2000
    rank: Annotated[int, Ge(1)] = 50
    dataset: Annotated[Dataset, From("datasets")] = field(default_factory=FashionMNIST)

    def __post_init__(self) -> None:
        if self.corruption not in CORRUPTIONS:
            hint = did_you_mean(self.corruption, CORRUPTIONS)
            raise ValueError(f"unknown corruption {self.corruption!r}; there are {', '.join(CORRUPTIONS)}{hint}")
        if self.target_labels > self.per_task:
            raise ValueError(f"target_labels: {self.target_labels} is more than the {self.per_task} images of a task")

    def fingerprint(self) -> str:
        return hashlib.sha256(f"{self.dataset.fingerprint()} {CORRUPTION_VERSION}".encode()).hexdigest()

    def capacity(self) -> float:
        return float((len(CORRUPTIONS) - 1) * CLASSES * self.per_task)

    def sources(self) -> list[tuple[str, int]]:
        """Corruption and class of each source, in the order of ids."""
        return [(name, label) for name in CORRUPTIONS if name != self.corruption for label in range(CLASSES)]

    def open(self, place: Place, streams: Streams) -> SourceInstance:
        from sklearn.metrics import roc_auc_score

        arrays = _tables(self.dataset, self.per_task, self.test_size, place)
        sources, size = self.sources(), self.per_task

        def pixels(images: np.ndarray) -> np.ndarray:
            return images.reshape(len(images), -1).astype(np.float32) / 255

        def task(name: str, label: int, order: np.ndarray) -> Samples:
            images, classes = arrays[f"{name}_{label}"], arrays[f"classes_{label}"]
            return Samples(pixels(images[order]), (classes[order] == label).astype(np.float64))

        def draw(source: int, first: int, blocks: int) -> tuple[np.ndarray, np.ndarray]:
            order = streams.round(source).rng("source order").permutation(size)[first : first + blocks]
            found = task(*sources[source], order)
            return found.inputs, found.labels

        of_target = streams.rng("target labels").permutation(size)[: self.target_labels]
        test = pixels(arrays[f"test_{self.corruption}"])
        answers = (arrays["test_classes"] == self.label).astype(np.float64)

        def score(model: SourceModel) -> dict[str, float]:
            predicted = model.representation(test) @ model.target_heads[:, 0]
            return {
                "test_mse": float(((predicted - answers) ** 2).mean()),
                "auc": float(roc_auc_score(answers, predicted)),
                "sources_opened": float(model.sources_opened),
            }

        return SourceInstance(
            SourceOracle(Finite(len(sources)), draw, 1, capacity=np.full(len(sources), size)),
            (task(self.corruption, self.label, of_target),),
            self.rank,
            score,
            np.arange(len(sources)),
        )


@lru_cache(maxsize=1)
def _tables(dataset: Dataset, per_task: int, test_size: int, place: Place) -> dict[str, np.ndarray]:
    """Images of every task and the test images under every corruption, and their classes."""
    key = {
        "corrupted images": CORRUPTION_VERSION,
        "data": dataset.fingerprint(),
        "per task": per_task,
        "test": test_size,
    }

    def compute(pieces: Pieces) -> dict[str, np.ndarray]:
        data, streams = dataset.load(), Streams(CORRUPTION_SEED)
        order = streams.rng("parts").permutation(len(data.pool.labels))
        if len(order) < CLASSES * per_task or len(data.test.labels) < test_size:
            raise ValueError(f"{len(order)} + {len(data.test.labels)} images are too few for {CLASSES} × {per_task}")
        chosen = streams.rng("test").permutation(len(data.test.labels))[:test_size]
        found = {"test_classes": data.test.labels[chosen]}
        for label in range(CLASSES):
            part = order[label * len(order) // CLASSES :][:per_task]
            found[f"classes_{label}"] = data.pool.labels[part]
            for name in CORRUPTIONS:
                rng = streams.round(label).rng(name)
                found[f"{name}_{label}"] = corrupt(data.pool.array[part], name, rng)
        for name in CORRUPTIONS:
            found[f"test_{name}"] = corrupt(data.test.array[chosen], name, streams.rng(f"test {name}"))
        return found

    return Artefacts(place.cache).arrays(key, compute, what=f"corrupted images of {dataset}")
