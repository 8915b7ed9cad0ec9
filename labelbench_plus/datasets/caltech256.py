"""Caltech-256: 29,780 photographs of 256 kinds of object."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np

from labelbench_plus.datasets import Dataset, LabelledData, Split, datasets
from labelbench_plus.datasets._files import fingerprint, folder_with
from labelbench_plus.datasets._image_tree import tree
from labelbench_plus.datasets._labelbench_splits import eighty_ten_ten
from labelbench_plus.inputs.prompts import IMAGENET
from labelbench_plus.plugins import Infra, Outside
from labelbench_plus.reference import Reference

FOLDER = "256_ObjectCategories"
CLUTTER = "257.clutter"


@datasets.register("caltech256")
@dataclass(frozen=True)
class Caltech256(Dataset):
    """Pool, validation and test part as LabelBench draws them, 80 : 10 : 10, without the class of clutter.

    LabelBench gives the 827 images of clutter to class 0 (ak47); here they are left out of each part. Class names are
    those of the folders without their numbers. Files: the folder `256_ObjectCategories`, in `$LBP_DATA/caltech256` or
    the cache folder.

    Parameters
    ----------
    root: the folder to read from instead.

    Source: Griffin, Holub, Perona, Caltech-256 object category dataset (2007). CC BY 4.0.

    Example
    -------
    dataset: {name: caltech256, root: /data/caltech256}
    """

    title = "Caltech-256"
    reference = Reference(("Griffin", "Holub", "Perona"), 2007, "Caltech-256 object category dataset")

    root: Annotated[Path | None, Infra(), Outside("files")] = None

    def load(self) -> LabelledData:
        """List the files.

        Raises
        ------
        FileNotFoundError
            They are nowhere; the message lists the ways to get them.
        """
        folder = folder_with(
            "Caltech-256",
            "caltech256",
            self.root,
            [FOLDER],
            [f"get {FOLDER}.tar from https://data.caltech.edu/records/nyy15-4j048 and unpack it"],
        )
        found = tree(folder / FOLDER, extensions=(".jpg",))
        kept = np.array([name != CLUTTER for name in found.classes])
        number = np.cumsum(kept) - 1  # of a class among those kept

        def split(rows: np.ndarray) -> Split:
            rows = rows[kept[found.labels[rows]]]
            return Split(found.images[rows], number[found.labels[rows]])

        pool, validation, test = map(split, eighty_ten_ten(len(found.labels)))
        names = tuple(name.partition(".")[2] for name in found.classes if name != CLUTTER)
        return LabelledData(pool, validation, test, names, templates=IMAGENET)

    def fingerprint(self) -> str:
        return fingerprint(self)
