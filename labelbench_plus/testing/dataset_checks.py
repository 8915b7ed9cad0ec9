"""What is asked of a data set."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from labelbench_plus.contracts.datasets import UNKNOWN, Dataset, LabelledData, Split
from labelbench_plus.features.hashing import hash_labelled_data
from labelbench_plus.inputs.image_files import ImageFiles
from labelbench_plus.inputs.questions import Questions
from labelbench_plus.inputs.texts import Texts
from labelbench_plus.testing.checks import Checks
from labelbench_plus.testing.common_checks import add_common
from labelbench_plus.testing.report import Failure, Skip
from labelbench_plus.testing.subject import check_declaration, check_names, fresh
from labelbench_plus.testing.witness import watched

PARTS = ("pool", "validation", "test")
SHARED = 0.1  # of the test set that may be in the pool too: real data have doubles


@dataclass
class Loaded:
    """One data set and the ways to read it."""

    plugin: Dataset

    def load(self) -> LabelledData:
        """Read it.

        Raises
        ------
        Skip
            It is not on this machine. The message is its own, which says how to get it.
        """
        try:
            with watched():
                return fresh(self.plugin).load()
        except FileNotFoundError as error:
            if not str(error):
                raise Failure("loads", "FileNotFoundError without a message: list every way to get the data") from error
            raise Skip(f"not on this machine: {error}") from error

    @cached_property
    def data(self) -> LabelledData:
        return self.load()

    def ordinary(self) -> str:
        return _content(self.load())


CHECKS: Checks[Loaded] = Checks(Loaded)


def _content(data: LabelledData) -> str:
    return hash_labelled_data(data)


@CHECKS.add(
    "declaration",
    "it is a registered frozen dataclass with a docstring and `provides`",
    "follow `lbp new dataset NAME`",
)
def _declaration(loaded: Loaded) -> None:
    check_declaration(loaded.plugin, "datasets")
    check_names(loaded.plugin.provides, "provides")


@CHECKS.add(
    "loads",
    "it can be read, or says with FileNotFoundError every way to get what is missing",
    "read the traceback of `load`",
    essential=True,
)
def _loads(loaded: Loaded) -> str:
    sizes = ", ".join(f"{name} {len(getattr(loaded.data, name).labels)}" for name in PARTS)
    real = loaded.data.pool.labels.dtype.kind == "f"
    return f"{sizes}; {'real values' if real else f'{len(loaded.data.class_names)} classes'}"


@CHECKS.add(
    "splits",
    "every part has inputs of one known form, and as many labels, of the classes that are named or finite numbers",
    "see the docstring of Split: labels are int64, (n,) of 0..K-1, or of several labels an item (n, K) of 0 and 1; "
    "real values are floats (n,), and name no classes",
)
def _splits(loaded: Loaded) -> None:
    data = loaded.data
    if len(set(data.class_names)) != len(data.class_names) or not all(isinstance(n, str) for n in data.class_names):
        raise Failure("splits", f"class names must be different words, got {data.class_names[:5]}")
    splits = [getattr(data, name) for name in PARTS]
    if len({(type(split.inputs), split.labels.ndim, split.labels.dtype.kind) for split in splits}) > 1:
        raise Failure("splits", "its parts have inputs or labels of different forms")
    for name in PARTS:
        split = getattr(data, name)
        if name == "pool":  # those that somebody is to be asked for are no fault
            split = replace(split, labels=_known(split.labels))
        if wrong := _fault(split, len(data.class_names)):
            raise Failure("splits", f"{name}: {wrong}")
    if not len(data.pool.labels) or not (len(data.test.labels) or (data.pool.labels == UNKNOWN).any()):
        raise Failure("splits", "the pool or the test set is empty")
    prices = data.pool_prices
    if prices is not None and (
        prices.shape != (len(data.pool.labels),) or not np.isfinite(prices).all() or (prices <= 0).any()
    ):
        raise Failure("splits", f"pool_prices must be one positive number per item, got {prices.shape}")


def _known(labels: np.ndarray) -> np.ndarray:
    """Labels with any in place of those that nobody knows."""
    unknown = labels == UNKNOWN
    if labels.ndim == 2 and (unknown.any(axis=1) != unknown.all(axis=1)).any():
        raise Failure("splits", "pool: of an item all labels are known, or none")
    return np.where(unknown, 0, labels)


def _fault(split: Split, classes: int) -> str:
    """What is wrong with a part, in words; nothing if all is well."""
    inputs, labels = split.inputs, split.labels
    if isinstance(inputs, np.ndarray):
        images = inputs.dtype == np.uint8 and (inputs.ndim == 3 or (inputs.ndim == 4 and inputs.shape[3] == 3))
        if not images and not (inputs.dtype.kind == "f" and inputs.ndim == 2):
            return f"an array {inputs.dtype} {inputs.shape} is neither uint8 images nor float vectors"
    elif not isinstance(inputs, ImageFiles | Texts | Questions):
        return f"inputs are {type(inputs).__name__}, not an array, ImageFiles, Texts or Questions"
    if len(inputs) != len(labels):
        return f"{len(inputs)} inputs, {len(labels)} labels"
    if labels.dtype.kind == "f" and labels.ndim == 1:
        finite = bool(np.isfinite(labels).all())
        return "" if finite and not classes else "real values must be finite, and there are no names of classes"
    if labels.dtype.kind not in "iu" or labels.ndim not in (1, 2):
        return f"labels are {labels.dtype} {labels.shape}"
    if labels.ndim == 2 and (labels.shape[1] != classes or not np.isin(labels, (0, 1)).all()):
        return f"label sets {labels.shape} must be 0 or 1 for each of {classes} classes"
    if labels.ndim == 1 and len(labels) and not 0 <= labels.min() <= labels.max() < classes:
        return f"labels {labels.min()} to {labels.max()} of {classes} classes"
    if split.groups is not None and (split.groups.shape != (len(labels),) or split.groups.dtype.kind != "i"):
        return f"groups must be one whole number an example, got {split.groups.dtype} {split.groups.shape}"
    return ""


@CHECKS.add(
    "apart",
    "the test set is not in the pool",
    "split once, without replacement, and before anything is copied",
)
def _apart(loaded: Loaded) -> str:
    pool, test = set(_examples(loaded.data.pool.inputs)), _examples(loaded.data.test.inputs)
    shared = len([example for example in test if example in pool]) / max(len(test), 1)
    if shared > SHARED:
        raise Failure("apart", f"{shared:.0%} of the test set are in the pool")
    return f"{shared:.1%} in common"


def _examples(inputs: Any) -> list[Any]:
    """What distinguishes examples; of images in files their names, which are not decoded for this."""
    if isinstance(inputs, np.ndarray):
        return [row.tobytes() for row in inputs]
    if isinstance(inputs, Texts):
        return [inputs[row] for row in range(len(inputs))]
    if isinstance(inputs, Questions):
        pictures = _examples(inputs.images)
        return [(picture, inputs.texts[row], inputs.options[row]) for row, picture in enumerate(pictures)]
    return [inputs.source.name(int(row)) for row in inputs.rows]


@CHECKS.add(
    "fingerprint",
    "its fingerprint is a word that stays the same",
    "the hash of what is in it: see labelbench_plus.features.hashing.hash_labelled_data",
)
def _fingerprint(loaded: Loaded) -> None:
    _ = loaded.data
    first, again = (fresh(loaded.plugin).fingerprint() for _ in range(2))
    if not isinstance(first, str) or not first or first != again:
        raise Failure("fingerprint", f"first {first!r}, then {again!r}")


@CHECKS.add(
    "own_arrays",
    "writing to what was loaded does not change other data",
    "hand out copies of what you keep, or arrays that cannot be written to",
)
def _own_arrays(loaded: Loaded) -> None:
    data = loaded.load()
    before = _content(data)
    if _content(loaded.load()) != before:
        raise Failure("repeatable", "loaded again, the data are others")
    for name in PARTS:
        split = getattr(data, name)
        for array in (split.inputs, split.labels):
            if isinstance(array, np.ndarray) and array.flags.writeable:
                array[...] = array.max(initial=0) - array
    if _content(loaded.load()) != before:
        raise Failure("own_arrays", "loaded again, the data are as they were written to")


@CHECKS.add(
    "provides",
    "the columns that come with the data are those that it says it provides",
    "name in `provides` the `columns` of what `load` returns, and no others",
)
def _provides(loaded: Loaded) -> str:
    columns = loaded.data.columns
    if missing := sorted(loaded.plugin.provides - {*columns}):
        raise Failure("provides", f"{', '.join(missing)} does not come with the data: there is no such column")
    if unnamed := sorted({*columns} - loaded.plugin.provides):
        raise Failure("provides", f"{', '.join(unnamed)} comes with the data, but no strategy can know of it")
    return ", ".join(columns) or "no columns"


add_common(CHECKS, "datasets")
