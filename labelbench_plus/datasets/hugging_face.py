"""Data sets of the Hugging Face hub, or in its form on disk: images or texts with a class each."""

from __future__ import annotations

import hashlib
import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from labelbench_plus.content import hash_files, remembered
from labelbench_plus.datasets import Dataset, Inputs, LabelledData, Split, datasets
from labelbench_plus.datasets._files import fingerprint
from labelbench_plus.datasets._labels import only_elsewhere
from labelbench_plus.datasets._splits import stratified_split
from labelbench_plus.faults import did_you_mean
from labelbench_plus.inputs.hub import table
from labelbench_plus.inputs.image_files import ImageFiles
from labelbench_plus.inputs.prompts import SIMPLE
from labelbench_plus.inputs.texts import Texts
from labelbench_plus.plugins import Infra, Outside

VALIDATION_SHARE = 0.1
HASHED_ROWS = 256  # images of a table in memory at a time
SPLIT_SEED = 0


@datasets.register("hugging_face")
@dataclass(frozen=True)
class HuggingFace(Dataset):
    """Classification of images or texts, read through the package `datasets` (extra `hugging-face`).

    Either `hub` or `folder` is given. Inputs are the column of images, or else the column of texts; labels the column
    of classes (or of integers or texts, whose classes are numbered in their order).

    Parameters
    ----------
    hub: name on the hub ("ag_news"), which needs a network or the hub's cache.
    folder: a folder that `save_to_disk` wrote, or one of parquet, CSV, JSON or image files that `load_dataset` can
        read. What counts for a run's identity is the content, not where it lies.
    config, revision: which of the hub's configurations and versions; the version should be given, as others change.
    pool, validation, test: names of splits. Without `validation` a tenth of the pool, stratified, is taken.
    inputs, label: names of columns, where they cannot be guessed.

    Images are identified by their names, their bytes and their order; texts by themselves.

    Example
    -------
    dataset: {name: hugging_face, folder: /data/ag_news, inputs: text, label: label}
    """

    title = "Hugging Face hub"

    hub: Annotated[str | None, Outside("the network")] = None
    folder: Annotated[Path | None, Infra(), Outside("files")] = None
    config: str | None = None
    revision: str | None = None
    pool: str = "train"
    validation: str | None = None
    test: str = "test"
    inputs: str | None = None
    label: str | None = None

    @classmethod
    def example(cls) -> None:  # which data set is to be said
        return None

    def load(self) -> LabelledData:
        """Read labels and texts, find images.

        Raises
        ------
        ModuleNotFoundError
            The package is not installed.
        FileNotFoundError
            The data cannot be had; the message lists the ways to get them.
        ValueError
            The folder cannot be read; there is no such split or column, or it cannot be guessed.
        """
        found = table("data set 'hugging_face'", self.hub, self.folder, self.config, self.revision)
        wanted = [name for name in (self.pool, self.validation, self.test) if name is not None]
        if missing := [name for name in wanted if name not in found]:
            hint = did_you_mean(missing[0], found)
            raise ValueError(f"{self._called} has no split {', '.join(missing)}; it has {', '.join(found)}{hint}")
        splits = {name: found[name] for name in wanted}
        features = splits[self.pool].features
        if absent := [name for name in (self.label, self.inputs) if name is not None and name not in features]:
            hint = did_you_mean(absent[0], features)
            raise ValueError(f"{self._called} has no column {', '.join(absent)}; it has {', '.join(features)}{hint}")
        label = self.label or _label_column(features, self._called)
        column = self.inputs or _input_column(features, label, self._called)
        names, labels = _classes(splits, label, self._called)
        parts = {name: Split(_inputs(split, column), labels[name]) for name, split in splits.items()}
        pool = parts[self.pool]
        elsewhere = {name: part.labels for name, part in parts.items() if name != self.pool}
        if unlearned := only_elsewhere(pool.labels, elsewhere, names):
            raise ValueError(f"{self._called}: {unlearned}")
        if self.validation is not None:
            validation = parts[self.validation]
        else:
            size = round(VALIDATION_SHARE * len(pool.labels))
            left, taken = stratified_split(pool.labels, (len(pool.labels) - size, size), SPLIT_SEED)
            validation = Split(pool.inputs[taken], pool.labels[taken])
            pool = Split(pool.inputs[left], pool.labels[left])
        return LabelledData(pool, validation, parts[self.test], names, templates=SIMPLE)

    def fingerprint(self) -> str:
        return fingerprint(self)

    @property
    def _called(self) -> str:
        return f"data set {self.hub}" if self.hub else str(self.folder)


class _Images:
    """Images in a column of a data set; see `labelbench_plus.inputs.image_files.ImageSource`."""

    def __init__(self, split: Any, column: str) -> None:
        image = importlib.import_module("datasets").Image
        self._split, self._column = split.select_columns([column]).cast_column(column, image(decode=False)), column

    def __len__(self) -> int:
        return len(self._split)

    def name(self, row: int) -> str:
        path = self._split[row][self._column]["path"]
        return f"{row}{f' ({Path(path).name})' if path else ''} of column {self._column!r}"

    def read(self, row: int) -> bytes:
        value = self._split[row][self._column]
        return value["bytes"] if value["bytes"] is not None else Path(value["path"]).read_bytes()

    def content_hash(self, rows: np.ndarray) -> str:
        """Of names without folders, and bytes. Those in the table's own files are read once as long as these stay."""
        import pyarrow.compute as pc

        own = [Path(file["filename"]) for file in self._split.cache_files]
        table = remembered(own, f"images of column {self._column}", self._digests) if own else self._digests()
        held = [table[row * 32 : (row + 1) * 32] for row in rows.tolist()]
        chunks = self._split.with_format("arrow")[:][self._column].chunks
        every = [path for chunk in chunks for path in pc.struct_field(chunk, "path").to_pylist()]
        paths = [every[row] for row in rows.tolist()]
        outside = [place for place, of_image in enumerate(held) if not any(of_image)]
        for place, of_file in zip(outside, hash_files([Path(paths[place]) for place in outside]), strict=True):
            held[place] = bytes.fromhex(of_file)
        digest = hashlib.sha256(b"column: names and content")
        for path, of_image in zip(paths, held, strict=True):
            name = (Path(path).name if path else "").encode()
            digest.update(b"%d " % len(name) + name + of_image)
        return digest.hexdigest()

    def _digests(self) -> bytes:
        """SHA-256 of every image in the table, 32 bytes each; zeros where it lies in a file."""
        found = []
        for start in range(0, len(self), HASHED_ROWS):
            for value in self._split[start : start + HASHED_ROWS][self._column]:
                held = value["bytes"]
                found.append(bytes(32) if held is None else hashlib.sha256(held).digest())
        return b"".join(found)


def _inputs(split: Any, column: str) -> Inputs:
    kind = type(split.features[column]).__name__
    return ImageFiles(_Images(split, column)) if kind == "Image" else Texts(split[column])


def _label_column(features: Any, called: str) -> str:
    classes = [name for name, feature in features.items() if type(feature).__name__ == "ClassLabel"]
    usual = [name for name in ("label", "labels") if name in features]
    for found in (classes, usual):
        if len(found) == 1:
            return str(found[0])
    raise ValueError(f"{called}: which column has the classes? Say `label`; there are {', '.join(features)}")


def _input_column(features: Any, label: str, called: str) -> str:
    images = [name for name, feature in features.items() if type(feature).__name__ == "Image"]
    texts = [
        name
        for name, feature in features.items()
        if name != label and getattr(feature, "dtype", None) in ("string", "large_string")
    ]
    for found in (images, texts):
        if len(found) == 1:
            return str(found[0])
    raise ValueError(f"{called}: which column has the inputs? Say `inputs`; there are {', '.join(features)}")


def _classes(splits: dict[str, Any], column: str, called: str) -> tuple[tuple[str, ...], dict[str, np.ndarray]]:
    """Names of classes, and the labels of every split."""
    values = {name: np.asarray(split[column]) for name, split in splits.items()}
    feature = next(iter(splits.values())).features[column]
    if type(feature).__name__ == "ClassLabel":
        names = [str(name) for name in feature.names]
        for split, labels in values.items():
            if labels.min(initial=0) < 0:
                raise ValueError(f"{called}: split {split} has examples without a label (-1), which cannot be scored")
        return tuple(names), {name: labels.astype(np.int64) for name, labels in values.items()}
    classes = np.unique(np.concatenate(list(values.values())))
    if classes.dtype.kind not in "iuU":
        raise ValueError(f"{called}: column {column!r} must hold classes, integers or texts, not {feature}")
    return tuple(map(str, classes)), {name: np.searchsorted(classes, labels) for name, labels in values.items()}
