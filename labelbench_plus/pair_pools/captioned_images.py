"""Real images with captions written from their class and looks, spoilt in known ways."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Annotated

import numpy as np
from annotated_types import Ge, Interval

from labelbench_plus.algorithms.blocks.stream_top_n import UID
from labelbench_plus.contracts.datasets import Dataset, LabelledData
from labelbench_plus.features.encoded import load
from labelbench_plus.pair_pools import Evaluation, Inputs, OpenPool, PairPool, Shard, Side, pair_pools
from labelbench_plus.plugins import From
from labelbench_plus.seeding import Streams, torch_generator
from labelbench_plus.store.artefacts import Artefacts, default_cache_dir
from labelbench_plus.store.pieces import Pieces

if TYPE_CHECKING:
    from labelbench_plus.algorithms.learners.contrastive import Towers

CAPTIONS = 1  # raised when the same images would get other captions or the teacher other weights
BRIGHTNESS = ("dark", "grey", "bright")
EXTENT = ("slim", "plain", "wide")
LEADS = (("a", "photo", "of"), ("picture", "of"), ("new",), ("for", "sale"))
TEACHER = {"width": 64, "hidden": 256, "steps": 600, "batch": 256, "learning_rate": 2e-3, "weight_decay": 0.1}
ORIGINALS = 20
KINDS = ("clean", "off target", "swapped caption", "blurred", "duplicate")


@pair_pools.register("captioned_images")
@dataclass(frozen=True)
class CaptionedImages(PairPool):
    """Images of a labelled data set with captions such as "a photo of bright slim trouser".

    The words for brightness and extent are read off the image (terciles over the data set), the last ones are the name
    of its class. A model must distinguish the `wanted` classes; what a good selection must drop is known:

    * images of other classes (`off_target`), with true captions;
    * captions of an image of another class (`swapped`);
    * blurred images (`blurred`), with true captions;
    * copies of twenty clean pairs (`duplicate`).

    The rest is clean. Pairs are drawn from the data set's pool anew for each run's seed. The teacher is a small CLIP,
    trained once on the validation images with clean captions of all classes; targets are the vectors of validation
    images of the wanted classes. The test set is the data set's, less the classes that are not wanted.

    Parameters
    ----------
    dataset: of grey or colour images.
    wanted: the classes to distinguish, by number.
    pairs: size of the pool.
    off_target, swapped, blurred, duplicate: shares of the pool.
    blur: standard deviation of the blur in pixels.
    target_rows: at most so many target vectors.
    """

    title = "Captioned images"

    dataset: Annotated[Dataset, From("datasets")]
    wanted: tuple[Annotated[int, Ge(0)], ...] = (0, 2, 3, 4, 6)
    pairs: Annotated[int, Ge(1)] = 6000
    off_target: Annotated[float, Interval(ge=0, le=1)] = 0.3
    swapped: Annotated[float, Interval(ge=0, le=1)] = 0.2
    blurred: Annotated[float, Interval(ge=0, le=1)] = 0.1
    duplicate: Annotated[float, Interval(ge=0, le=1)] = 0.1
    blur: Annotated[float, Ge(0)] = 3.0
    target_rows: Annotated[int, Ge(1)] = 1000

    def __post_init__(self) -> None:
        if self.off_target + self.swapped + self.blurred + self.duplicate > 1 + 1e-9:
            raise ValueError("the shares of what is spoilt add up to more than one")

    def fingerprint(self) -> str:
        content = json.dumps([self.dataset.fingerprint(), CAPTIONS, TEACHER])
        return hashlib.sha256(content.encode()).hexdigest()

    def size(self) -> int:
        return self.pairs

    def can_train(self) -> bool:
        return True

    def open(self, streams: Streams) -> OpenPool:
        return _OpenCaptioned(self, streams)


class _OpenCaptioned(OpenPool):
    def __init__(self, pool: CaptionedImages, streams: Streams) -> None:
        from scipy.ndimage import gaussian_filter

        self._pool = pool
        data, self._words = load(pool.dataset), _Words(load(pool.dataset))
        rng = streams.rng("captioned pairs")
        self.shards = (Shard("pairs", pool.pairs),)
        wanted = np.isin(data.pool.labels, pool.wanted)
        counts = [round(share * pool.pairs) for share in (pool.off_target, pool.swapped, pool.blurred, pool.duplicate)]
        counts = [pool.pairs - sum(counts), *counts]
        on = rng.permutation(np.flatnonzero(wanted))
        off = rng.permutation(np.flatnonzero(~wanted))
        if len(on) < pool.pairs - counts[1] - counts[4] or len(off) < counts[1]:
            raise ValueError(f"{pool.dataset.name}: too few images for {pool.pairs} pairs with these shares")
        originals = on[: max(1, min(ORIGINALS, counts[0]))]
        ends = np.cumsum([counts[0], counts[2], counts[3]])
        images = [on[: ends[0]], off[: counts[1]], on[ends[0] : ends[1]], on[ends[1] : ends[2]]]
        images.append(rng.choice(originals, size=counts[4]))
        kinds = np.repeat(KINDS, counts)
        order = rng.permutation(pool.pairs)
        rows, self._kinds = np.concatenate(images)[order], kinds[order]
        self._images = data.pool.array[rows]
        for row in np.flatnonzero(self._kinds == "blurred"):
            self._images[row] = gaussian_filter(self._images[row].astype(np.float32), pool.blur).astype(np.uint8)
        self._texts = self._words.captions(data.pool.array[rows], data.pool.labels[rows], rng)
        self._swap(data.pool.labels[rows], rng)

    def _swap(self, labels: np.ndarray, rng: np.random.Generator) -> None:
        """Give pairs a true caption of an image of another class, wanted or not."""
        texts = self._texts.copy()
        for row in np.flatnonzero(self._kinds == "swapped caption"):
            self._texts[row] = texts[rng.choice(np.flatnonzero(labels != labels[row]))]

    def uids(self, shard: int) -> np.ndarray:
        uids = np.zeros(len(self._kinds), dtype=UID)
        uids["f1"] = np.arange(len(uids))
        return uids

    def vectors(self, shard: int, side: Side, chunk: int) -> Iterator[np.ndarray]:
        vectors = self._seen[side]
        for start in range(0, len(vectors), chunk):
            yield vectors[start : start + chunk]

    def targets(self) -> Iterator[np.ndarray]:
        data = load(self._pool.dataset)
        rows = np.flatnonzero(np.isin(data.validation.labels, self._pool.wanted))[: self._pool.target_rows]
        yield self._teacher.embed_images(data.validation.array[rows]).half().numpy()

    def inputs(self, shard: int, rows: np.ndarray) -> Inputs:
        return Inputs(self._images[rows], self._texts[rows])

    def kinds(self, shard: int) -> np.ndarray:
        return self._kinds

    def evaluation(self) -> Evaluation:
        data = load(self._pool.dataset)
        rows = np.flatnonzero(np.isin(data.test.labels, self._pool.wanted))
        images, classes = data.test.array[rows], data.test.labels[rows]
        texts = self._words.captions(images, classes, None)
        number = {name: place for place, name in enumerate(self._pool.wanted)}
        labels = np.array([number[name] for name in classes.tolist()], dtype=np.int64)
        return Evaluation(
            Inputs(images, texts), labels, self._words.of_classes(self._pool.wanted), len(self._words.vocabulary) + 1
        )

    @cached_property
    def _teacher(self) -> Towers:
        return _teacher(self._pool.dataset, self._pool.dataset.state())

    @cached_property
    def _seen(self) -> dict[Side, np.ndarray]:
        """The teacher's vectors in half precision, as CLIP's are stored."""
        return {
            "images": self._teacher.embed_images(self._images).half().numpy(),
            "texts": self._teacher.embed_texts(self._texts).half().numpy(),
        }


class _Words:
    """Writes captions as numbers of words: 0 where a caption is over."""

    def __init__(self, data: LabelledData) -> None:
        self._names = [name.lower().replace("/", " ").split() for name in data.class_names]
        leads = [word for lead in LEADS for word in lead]
        words = [*leads, *BRIGHTNESS, *EXTENT, *(word for name in self._names for word in name)]
        self.vocabulary = {word: number for number, word in enumerate(dict.fromkeys(words), start=1)}
        self._length = max(map(len, LEADS)) + 2 + max(map(len, self._names))
        looks = _looks(data.pool.array)
        self._limits = np.quantile(looks, [1 / 3, 2 / 3], axis=0)

    def captions(self, images: np.ndarray, labels: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """(n, L) int64. Leads are drawn, or all the first one without a generator."""
        levels = (_looks(images)[:, None, :] > self._limits[None]).sum(axis=1)
        leads = np.zeros(len(labels), dtype=int) if rng is None else rng.integers(len(LEADS), size=len(labels))
        texts = [
            (*LEADS[lead], BRIGHTNESS[bright], EXTENT[extent], *self._names[label])
            for lead, (bright, extent), label in zip(leads, levels, labels, strict=True)
        ]
        return self._numbers(texts)

    def of_classes(self, classes: tuple[int, ...]) -> np.ndarray:
        """A caption for each class, saying nothing about looks."""
        return self._numbers([(*LEADS[0], *self._names[label]) for label in classes])

    def _numbers(self, texts: list[tuple[str, ...]]) -> np.ndarray:
        numbers = np.zeros((len(texts), self._length), dtype=np.int64)
        for row, text in enumerate(texts):
            numbers[row, : len(text)] = [self.vocabulary[word] for word in text]
        return numbers


def _looks(images: np.ndarray) -> np.ndarray:
    """(n, 2) how bright what is seen is, and how much of the picture it covers."""
    flat = images.reshape(len(images), -1)
    there = flat > 16
    covered = there.mean(axis=1)
    return np.stack([flat.mean(axis=1) / np.maximum(covered, 1e-6), covered], axis=1)


@cache
def _teacher(dataset: Dataset, state: tuple[int, ...]) -> Towers:
    """The same for every pool of this data set, trained once and kept on disk."""
    from labelbench_plus.algorithms.learners.contrastive import Towers, fit_contrastive

    key = {"teacher of captions": CAPTIONS, "settings": TEACHER, "data": dataset.fingerprint()}

    def compute(pieces: Pieces) -> dict[str, np.ndarray]:
        data = load(dataset)
        words, streams = _Words(data), Streams(0)
        texts = words.captions(data.validation.array, data.validation.labels, streams.rng("teacher captions"))
        towers = fit_contrastive(
            data.validation.array,
            texts,
            len(words.vocabulary) + 1,
            width=int(TEACHER["width"]),
            hidden=int(TEACHER["hidden"]),
            steps=int(TEACHER["steps"]),
            batch=int(TEACHER["batch"]),
            learning_rate=TEACHER["learning_rate"],
            weight_decay=TEACHER["weight_decay"],
            init=torch_generator(streams.rng("teacher init")),
            order=streams.rng("teacher order"),
        )
        weights = {name.replace(".", "__"): value.numpy() for name, value in towers.weights.items()}
        return {**weights, "standard": np.array([towers.mean, towers.spread])}

    import torch

    found = Artefacts(default_cache_dir()).arrays(key, compute, what="teacher of captioned images")
    mean, spread = found["standard"].tolist()
    weights = {
        name.replace("__", "."): torch.from_numpy(np.array(v)) for name, v in found.items() if name != "standard"
    }
    return Towers(weights, mean, spread)
