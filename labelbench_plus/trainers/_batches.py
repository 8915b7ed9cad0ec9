"""What a network is shown step by step: which examples, in which order, and how they are augmented."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from labelbench_plus.features.training_inputs import Copies
from labelbench_plus.seeding import torch_generator
from labelbench_plus.trainers._network_model import prepared

if TYPE_CHECKING:
    from numpy.random import Generator

    from labelbench_plus.problems.classification import ClassificationData
    from labelbench_plus.seeding import Streams
    from labelbench_plus.trainers._network_trainer import NetworkTrainer


class Shuffled:
    """Numbers 0..n-1 in an endless order: every pass is a permutation of its own."""

    def __init__(self, n: int, rng: Generator) -> None:
        self.n, self._rng = n, rng
        self._waiting = np.empty(0, dtype=np.int64)

    def next(self, size: int) -> Tensor:
        if not self.n:
            raise ValueError("no examples to learn from")
        while len(self._waiting) < size:
            self._waiting = np.concatenate([self._waiting, self._rng.permutation(self.n)])
        taken, self._waiting = self._waiting[:size], self._waiting[size:]
        return torch.from_numpy(taken)

    def state(self) -> dict[str, Any]:
        return {"waiting": torch.from_numpy(self._waiting.copy()), "rng": json.dumps(self._rng.bit_generator.state)}

    def restore(self, state: dict[str, Any]) -> None:
        self._waiting = state["waiting"].cpu().numpy()
        self._rng.bit_generator.state = json.loads(state["rng"])


class NetworkInputs:
    """Inputs of the pool as a network is to see them in training: as they are, or augmented to one of two strengths.

    Images are augmented when they are read. Features of images cannot be: for them a number of augmented copies has
    been encoded beforehand, and each time an item is read one of its copies is drawn.

    Parameters
    ----------
    strong: whether the strong strength is going to be asked for.
    """

    def __init__(self, trainer: NetworkTrainer, data: ClassificationData, streams: Streams, *, strong: bool) -> None:
        self.augment, self.generator = trainer.augment, torch_generator(streams.rng("augment"))
        self.reads = trainer.network.reads
        self.device = data.pool_features.device
        self._copies: dict[str, Copies] = {}
        self._number = trainer.copies
        if self.reads == "images":
            if data.inputs is None:
                raise ValueError(
                    f"trainer {trainer.name!r}: network {trainer.network.name!r} reads images, of which there are "
                    "none; choose a network that reads features, such as 'linear'"
                )
            self.images = data.inputs.pool_images(trainer.network.image_size())
            self.shape: tuple[int, ...] = self.images.shape
            return
        self.features = data.pool_features
        self.shape = (data.pool_features.shape[1],)
        if self.augment is not None and self.augment.of == "images":
            if data.inputs is None:
                raise ValueError(
                    f"trainer {trainer.name!r}: augment {self.augment.name!r} changes images, of which "
                    "there are none; choose 'noise', which changes features, or null"
                )
            for strength in ("weak", "strong") if strong else ("weak",):
                copies = data.inputs.copies(self.augment, strength, trainer.copies)
                self._copies[strength] = Copies(copies, self.device)

    def plain(self, rows: Tensor) -> Tensor:
        if self.reads == "images":
            return prepared(self.images[rows], self.device)
        return self.features.index_select(0, rows.to(self.device))

    def weak(self, rows: Tensor) -> Tensor:
        return self._augmented(rows, "weak")

    def strong(self, rows: Tensor) -> Tensor:
        return self._augmented(rows, "strong")

    def _augmented(self, rows: Tensor, strength: str) -> Tensor:
        if strength in self._copies:
            which = torch.randint(self._number, (len(rows),), generator=self.generator)
            return self._copies[strength].at(which, rows)
        inputs = self.plain(rows)
        if self.augment is None:
            return inputs
        changed: Tensor = getattr(self.augment, strength)(inputs, self.generator)
        return changed.contiguous(memory_format=torch.channels_last) if changed.ndim == 4 else changed


def unlabelled_rows(data: ClassificationData) -> Tensor:
    """The rows of the pool that are not labelled, nor known to be of no class; on the CPU."""
    kept = torch.ones(len(data.pool_features), dtype=torch.bool)
    kept[data.labelled.rows.cpu()] = False
    if data.outliers is not None:
        kept[data.outliers.cpu()] = False
    return kept.nonzero()[:, 0]
