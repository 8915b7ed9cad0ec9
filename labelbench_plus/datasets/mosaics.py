"""Images with several labels, composed of images with one: squares of four, labelled with the set of their classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from annotated_types import Gt

from labelbench_plus.datasets import Dataset, LabelledData, Split, datasets
from labelbench_plus.datasets._files import fingerprint
from labelbench_plus.plugins import From, label
from labelbench_plus.seeding import Streams

SIDE = 2
SEED = 0


@datasets.register("mosaics")
@dataclass(frozen=True)
class Mosaics(Dataset):
    """Multi-label, from data at hand: 2 x 2 images of another data set; label k is whether one of them is of class k.

    Real pixels, made-up label sets: the four images are drawn independently, the same for every run, so labels are
    nearly independent, and about as frequent as each other where classes are. A mosaic's images come from the same
    part as itself; an image can be in several mosaics. For the problem `multilabel`.

    Parameters
    ----------
    dataset: whose images; of one size, in memory.
    pool, validation, test: how many mosaics each part has.
    """

    title = "Mosaics of images"

    dataset: Annotated[Dataset, From("datasets")]
    pool: Annotated[int, Gt(0)] = 10_000
    validation: Annotated[int, Gt(0)] = 1_000
    test: Annotated[int, Gt(0)] = 2_000

    @property
    def mirror_keeps_class(self) -> bool:  # type: ignore[override]
        return self.dataset.mirror_keeps_class

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        return {"dataset": "digits", "pool": 60, "validation": 20, "test": 30}

    def load(self) -> LabelledData:
        """Read the other data set and compose.

        Raises
        ------
        ValueError
            It has no images of one size in memory, or several labels an image already.
        """
        data, streams = self.dataset.load(), Streams(SEED)

        def split(part: str, size: int) -> Split:
            found: Split = getattr(data, part)
            if not isinstance(found.inputs, np.ndarray) or found.inputs.dtype != np.uint8 or found.labels.ndim != 1:
                raise ValueError(
                    f"mosaics are made of images of one size in memory with one class each, which data set "
                    f"{label(self.dataset)!r} does not have"
                )
            tiles = streams.rng(f"mosaics {part}").integers(len(found.labels), size=(size, SIDE, SIDE))
            rows = [np.concatenate(list(found.inputs[tiles[:, i]].swapaxes(0, 1)), axis=2) for i in range(SIDE)]
            labels = np.zeros((size, len(data.class_names)), dtype=np.int64)
            np.put_along_axis(labels, found.labels[tiles].reshape(size, -1), 1, axis=1)
            return Split(np.concatenate(rows, axis=1), labels)

        return LabelledData(
            split("pool", self.pool),
            split("validation", self.validation),
            split("test", self.test),
            data.class_names,
            templates=data.templates,
        )

    def state(self) -> tuple[int, ...]:
        return self.dataset.state()

    def fingerprint(self) -> str:
        return fingerprint(self)
