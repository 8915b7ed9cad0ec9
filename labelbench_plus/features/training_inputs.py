"""What trainers of networks read beside features: the images themselves, and features of augmented copies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from labelbench_plus.contracts.augmentations import Augmentation
from labelbench_plus.contracts.datasets import Dataset
from labelbench_plus.contracts.encoders import Encoder
from labelbench_plus.features.decoded import decoded
from labelbench_plus.features.divided import divided
from labelbench_plus.features.encoded import Features, encoded, encoded_copies, load
from labelbench_plus.inputs.image_files import ImageFiles, has_images
from labelbench_plus.plugins import describe, label
from labelbench_plus.seeding import Streams, torch_generator

IN_MEMORY_BYTES = 2**32


@dataclass(frozen=True)
class Images:
    """Some of an array of images, cut into batches when they are read.

    Attributes
    ----------
    stored: (N, h, w) or (N, h, w, 3) uint8, possibly mapped from a file.
    rows: (n,) of them.
    """

    stored: np.ndarray
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, which: Tensor) -> Tensor:
        """(m, c, h, w) uint8 on the CPU: the images at these places."""
        picked = torch.from_numpy(self.stored[self.rows[which.cpu().numpy()]])
        return picked[:, None] if picked.ndim == 3 else picked.permute(0, 3, 1, 2)

    def split(self, size: int) -> Iterator[Tensor]:
        """All of them, at most `size` at a time; at least one part, if an empty one, as of a tensor."""
        for start in range(0, max(len(self), 1), size):
            yield self[torch.arange(start, min(start + size, len(self)))]

    def at(self, places: Tensor) -> Images:
        """The images at these places, not yet read."""
        return Images(self.stored, self.rows[places.cpu().numpy()])

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of one image."""
        height, width = self.stored.shape[1:3]
        return (1 if self.stored.ndim == 3 else 3, height, width)


@dataclass(frozen=True)
class Store:
    """The inputs behind one run's problem: for each part which rows of the data set's it is made of."""

    dataset: Dataset
    encoder: Encoder
    folder: Path
    rows: dict[str, np.ndarray]

    @property
    def features(self) -> Features:
        """Of the whole data set: computed or read now, if they have not been."""
        return encoded(self.dataset, self.encoder, self.folder)

    def reader(self, part: str) -> Callable[[], np.ndarray]:
        """What reads a part's features (n, d) float32. It leads to no label or other part."""
        return partial(_features_of, self.dataset, self.encoder, self.folder, part, self.rows[part])

    def images(self, part: str, size: int | None) -> Images:
        """A part's images.

        Parameters
        ----------
        size: side of the squares that images of different sizes are brought to; those of one size stay as they are.

        Raises
        ------
        ValueError
            The data set has no images, or they differ in size and `size` is None.
        """
        inputs: Any = getattr(load(self.dataset), part).inputs
        if not has_images(inputs):
            raise ValueError(f"data set {label(self.dataset)!r} has no images; choose a network that reads features")
        if isinstance(inputs, ImageFiles):
            if size is None:
                raise ValueError(
                    f"data set {label(self.dataset)!r} has images of different sizes; choose a network that brings "
                    "them to one, such as 'timm'"
                )
            inputs = _squares(self.dataset, part, size, self.folder, self.dataset.state())
        return Images(inputs, self.rows[part])

    def copies(self, augmentation: Augmentation, strength: Literal["weak", "strong"], number: int) -> list[Tensor]:
        """Features (n, d) of each of `number` augmented copies of the pool's images, the same for every run.

        Raises
        ------
        ValueError
            The data set has no images.
        """
        copies = []
        for copy in range(number):
            # The seed is fixed: what is cached serves all runs, and a run's own draw is which copy it reads when.
            generator = torch_generator(Streams(0).rng(f"{strength} copy {copy}"))

            def augment(images: np.ndarray, generator: torch.Generator = generator) -> np.ndarray:
                channels = images.shape[3] if images.ndim == 4 else 1
                batch = torch.from_numpy(images).reshape(*images.shape[:3], channels).permute(0, 3, 1, 2)
                changed = getattr(augmentation, strength)(batch.float() / 255, generator)
                values = (changed * 255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
                return values.reshape(images.shape).numpy()

            named = {"augmentation": describe(augmentation, semantic_only=True), "strength": strength, "copy": copy}
            found = encoded_copies(
                self.dataset, self.encoder, self.features, self.folder, self.rows["pool"], augment, named
            )
            copies.append(torch.from_numpy(found))
        return copies


@dataclass(frozen=True)
class DividedStore(Store):
    """That of vectors which the run's seed divided anew: `rows` are of all the data set's examples in one line.

    Attributes
    ----------
    pool: (N,) of them, by which features are encoded and standardised.
    """

    pool: np.ndarray

    def reader(self, part: str) -> Callable[[], np.ndarray]:
        return partial(divided, self.dataset, self.encoder, self.pool, self.rows[part])


def _features_of(dataset: Dataset, encoder: Encoder, folder: Path, part: str, rows: np.ndarray) -> np.ndarray:
    features = encoded(dataset, encoder, folder).parts[part]
    return features if np.array_equal(rows, np.arange(len(features))) else features[rows]


@lru_cache(maxsize=4)
def _squares(dataset: Dataset, part: str, size: int, folder: Path, state: tuple[int, ...]) -> np.ndarray:
    """A part's images, decoded. Finding out which files they are would take too long at every look at them."""
    return decoded(getattr(load(dataset), part).inputs, size, folder)


class Copies:
    """Augmented copies of the pool's features, of which each reading takes one an example.

    They lie on the device in one piece. On a CPU they stay mapped from the cache, which several processes share, where
    they take more than `IN_MEMORY_BYTES`.

    Parameters
    ----------
    copies: (N, d) each.
    """

    def __init__(self, copies: Sequence[Tensor], device: torch.device) -> None:
        self._copies, self._size = copies, len(copies[0])
        self._whole: Tensor | None = None
        if device.type != "cpu" or sum(copy.nbytes for copy in copies) <= IN_MEMORY_BYTES:
            self._whole = torch.empty(len(copies) * self._size, copies[0].shape[1], device=device)
            for place, copy in enumerate(copies):
                self._whole[place * self._size : (place + 1) * self._size] = copy

    def at(self, which: Tensor, rows: Tensor) -> Tensor:
        """(b, d): copy which[i] of example rows[i]; both (b,) on the CPU."""
        if self._whole is not None:  # one index is quicker than two
            return self._whole.index_select(0, (which * self._size + rows).to(self._whole.device))
        taken = torch.empty(len(rows), self._copies[0].shape[1])
        for number, copy in enumerate(self._copies):
            places = (which == number).nonzero()[:, 0]
            taken.index_copy_(0, places, copy.index_select(0, rows[places]))
        return taken


class FeatureRows:
    """A part's features (n, d) on a device, read when they are first asked for. It leads to no label or other part."""

    def __init__(self, store: Store, part: str, device: str) -> None:
        self._read, self._device = store.reader(part), device

    @cached_property
    def tensor(self) -> Tensor:
        return torch.as_tensor(self._read(), device=self._device)

    def at(self, places: Tensor) -> Tensor:
        """The features at these places."""
        return self.tensor[places]


@dataclass(frozen=True)
class TrainerInputs:
    """What a trainer may read beside features. There is no way from here to the test set, or to any label.

    Attributes
    ----------
    class_names: of the K classes.
    """

    class_names: tuple[str, ...]
    _store: Store

    @property
    def templates(self) -> tuple[str, ...]:
        """The data set's own prompts, with "{}" where a class's name goes; may be empty."""
        return load(self._store.dataset).templates

    def pool_images(self, size: int | None) -> Images:
        """The pool's images, row i of the pool at place i; see `Store.images`."""
        return self._store.images("pool", size)

    def validation_images(self, size: int | None) -> Images:
        return self._store.images("validation", size)

    def copies(self, augmentation: Augmentation, strength: Literal["weak", "strong"], number: int) -> list[Tensor]:
        """Features (N, d) of each of `number` augmented copies of the pool; see `Store.copies`."""
        return self._store.copies(augmentation, strength, number)
