"""Bring your own images: folders with one folder a class."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from annotated_types import Gt, Lt

from labelbench_plus.datasets import Dataset, LabelledData, Split, datasets
from labelbench_plus.datasets._files import fingerprint
from labelbench_plus.datasets._image_tree import tree
from labelbench_plus.datasets._splits import stratified_split
from labelbench_plus.inputs.prompts import SIMPLE
from labelbench_plus.plugins import Infra, Outside

VALIDATION_FOLDERS = ("val", "valid", "validation")
SPLIT_SEED = 0


@datasets.register("image_folder")
@dataclass(frozen=True)
class ImageFolder(Dataset):
    """Your own images, of any size: `PATH/train/CLASS/...`, `PATH/val/CLASS/...` and `PATH/test/CLASS/...`.

    The pool is `train`. Where there is no `val` (or `valid`, `validation`), validation examples are taken out of it;
    where there is no `train`, `PATH/CLASS/...` is divided into all three. What is divided is divided at random and
    stratified, the same way for every run. Classes are named by their folders and numbered in the order of names.

    Parameters
    ----------
    path: the folder. What counts for a run's identity are the names and content of the files, not where it lies.
    validation_share, test_share: of what is divided. A part that has its own folder is that folder.
    """

    title = "Your own images"

    path: Annotated[Path, Infra(), Outside("files")]
    validation_share: Annotated[float, Gt(0), Lt(1)] = 0.1
    test_share: Annotated[float, Gt(0), Lt(1)] = 0.2

    def load(self) -> LabelledData:
        """List the files.

        Raises
        ------
        FileNotFoundError
            There is no such folder, or no images in a part of it.
        ValueError
            Shares leave a part empty, or a part has a class that the pool has not.
        """
        path = self.path.expanduser()
        if not path.is_dir():
            raise FileNotFoundError(f"{path}: no such folder")
        if not (path / "train").is_dir():
            whole = tree(path)
            shares = (self.validation_share, self.test_share)
            return _data(whole.classes, *map(whole.split, _parts(whole.labels, shares, path)))
        if not (path / "test").is_dir():
            raise FileNotFoundError(f"{path} has a folder train but none that is called test")
        pool = tree(path / "train")
        test = tree(path / "test", pool.classes).split()
        for name in VALIDATION_FOLDERS:
            if (path / name).is_dir():
                return _data(pool.classes, pool.split(), tree(path / name, pool.classes).split(), test)
        left, validation = _parts(pool.labels, (self.validation_share,), path / "train")
        return _data(pool.classes, pool.split(left), pool.split(validation), test)

    def fingerprint(self) -> str:
        return fingerprint(self)


def _parts(labels: np.ndarray, shares: tuple[float, ...], path: Path) -> tuple[np.ndarray, ...]:
    sizes = [round(share * len(labels)) for share in shares]
    sizes.insert(0, len(labels) - sum(sizes))
    if min(sizes) < 1:
        raise ValueError(f"{path}: {len(labels)} images cannot be divided into parts of {sizes}")
    return stratified_split(labels, sizes, SPLIT_SEED)


def _data(classes: tuple[str, ...], pool: Split, validation: Split, test: Split) -> LabelledData:
    return LabelledData(pool, validation, test, classes, templates=SIMPLE)
