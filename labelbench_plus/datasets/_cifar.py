"""CIFAR's files: pickles that Python 2 wrote, read by a machine that builds nothing but numbers and text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from labelbench_plus.datasets import LabelledData, Split
from labelbench_plus.datasets._files import check_md5, folder_with
from labelbench_plus.datasets._labelbench_splits import halves
from labelbench_plus.inputs.plain_pickle import PickleRefused, load_plain
from labelbench_plus.inputs.prompts import IMAGENET

MAX_BYTES = 512 * 2**20
SIDE = 32


def read(
    name: str,
    root: Path | None,
    sums: Mapping[str, str],
    official: bool,
    *,
    train: Sequence[str],
    test: str,
    meta: str,
    labels: str,
    names: str,
) -> LabelledData:
    """Pool: the training part in its order. Validation and test: the halves of the test part.

    Parameters
    ----------
    name: "cifar-10" or "cifar-100".
    sums: MD5 sums of the published files.
    official: whether to insist on them.
    train, test, meta: names of files.
    labels, names: keys of the classes in a file of images, and of their names in `meta`.

    Raises
    ------
    FileNotFoundError
        They are nowhere; the message lists the ways to get them.
    ValueError
        A file is damaged or of something else.
    """
    title = name.upper()
    archive = f"{name}-python.tar.gz"
    folder = folder_with(
        title,
        name.replace("-", ""),
        root,
        list(sums),
        [
            f"get {archive} from https://www.cs.toronto.edu/~kriz/cifar.html and unpack it",
            f'with a network: python -c "import labelbench_plus, torchvision.datasets as d; d.{title.replace("-", "")}'
            "('FOLDER', download=True)\"",
        ],
        below=(f"{name}-batches-py", f"{name}-python"),
    )
    if official:
        for file, expected in sums.items():
            check_md5(folder / file, expected)
    class_names = tuple(str(item).replace("_", " ") for item in _dictionary(folder / meta, {names: list})[names])

    def split(files: Sequence[str]) -> Split:
        found = [_examples(folder / file, labels, len(class_names)) for file in files]
        images, classes = (np.concatenate(part) for part in zip(*found, strict=True))
        return Split(images, classes)

    pool, rest = split(train), split([test])
    validation, final = (Split(rest.array[part], rest.labels[part]) for part in halves(len(rest.labels)))
    return LabelledData(pool, validation, final, class_names, templates=IMAGENET)


def _examples(file: Path, key: str, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 32, 32, 3) and classes (n,); in the file an image is three planes in a row."""
    content = _dictionary(file, {"data": np.ndarray, key: list})
    data, labels = content["data"], np.array(content[key])
    if data.dtype != np.uint8 or data.shape != (len(labels), 3 * SIDE * SIDE):
        raise ValueError(f"{file}: expected uint8 {(len(labels), 3 * SIDE * SIDE)}, got {data.dtype} {data.shape}")
    if labels.dtype.kind != "i" or labels.min(initial=0) < 0 or labels.max(initial=0) >= classes:
        raise ValueError(f"{file}: classes must be integers in 0..{classes - 1}")
    images = data.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), labels.astype(np.int64)


def _dictionary(file: Path, expected: Mapping[str, type]) -> dict[str, Any]:
    try:
        content = load_plain(file.read_bytes(), MAX_BYTES)
    except PickleRefused as error:
        raise ValueError(f"{file} is not a file of CIFAR, or damaged: {error}") from error
    if isinstance(content, dict):
        content = {key.decode("latin1") if isinstance(key, bytes) else key: value for key, value in content.items()}
    if not isinstance(content, dict) or not all(isinstance(content.get(key), kind) for key, kind in expected.items()):
        raise ValueError(f"{file} is not a CIFAR file: it must hold {' and '.join(map(repr, expected))}")
    return content
