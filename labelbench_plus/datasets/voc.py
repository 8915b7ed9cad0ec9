"""PASCAL VOC: photographs in which twenty kinds of objects occur."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from annotated_types import Gt

from labelbench_plus.datasets import Dataset, LabelledData, Split, datasets
from labelbench_plus.datasets._files import fingerprint, folder_with
from labelbench_plus.datasets._labelbench_splits import parts
from labelbench_plus.inputs.image_files import FolderImages, ImageFiles
from labelbench_plus.inputs.prompts import SIMPLE
from labelbench_plus.plugins import Infra, Outside
from labelbench_plus.reference import Reference

CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)


@datasets.register("voc")
@dataclass(frozen=True)
class VOC(Dataset):
    """Multi-label: label k is whether an object of class k is in the picture; objects marked difficult do not count.

    Of 2012, whose test labels are not public, the 11,540 images of `trainval` are divided at random as LabelBench
    does: `pool` of them, and the rest in halves. Of 2007 the official parts train, val and test are taken. Files: the
    folder `VOCdevkit/VOC2012` (or `VOC2007`), in `$LBP_DATA/voc` or the cache folder. For the problem `multilabel`.

    Parameters
    ----------
    year: of the challenge.
    pool: how many images of 2012 the pool has. It says nothing of 2007.
    root: the folder to read from instead: the one that holds `VOCdevkit`.

    Source: Everingham et al., The PASCAL visual object classes challenge, IJCV 88 (2010).

    Example
    -------
    dataset: {name: voc, year: 2012, root: /data/voc}
    """

    title = "PASCAL VOC"
    reference = Reference(("Everingham", "others"), 2010, "The PASCAL visual object classes challenge", venue="IJCV")

    year: Literal[2007, 2012] = 2012
    pool: Annotated[int, Gt(0)] = 10_000
    root: Annotated[Path | None, Infra(), Outside("files")] = None

    def load(self) -> LabelledData:
        """Read the lists of images.

        Raises
        ------
        FileNotFoundError
            They are nowhere; the message lists the ways to get them.
        ValueError
            A list is damaged, or there are too few images for this pool.
        """
        inner = f"VOCdevkit/VOC{self.year}"
        needed = ["train", "val", "test"] if self.year == 2007 else ["trainval"]
        folder = folder_with(
            f"PASCAL VOC {self.year}",
            "voc",
            self.root,
            [f"{inner}/JPEGImages", *(f"{inner}/ImageSets/Main/{CLASSES[0]}_{part}.txt" for part in needed)],
            [
                f"get the archives for {self.year} from http://host.robots.ox.ac.uk/pascal/VOC/voc{self.year}/ "
                "and unpack them"
            ],
        )
        found = [_part(folder / inner, part) for part in needed]
        if self.year == 2012:
            (whole,) = found
            rest = (len(whole.labels) - self.pool) // 2
            if rest < 1:
                raise ValueError(f"{folder / inner}: {len(whole.labels)} images are too few for a pool of {self.pool}")
            left_over = len(whole.labels) - self.pool - 2 * rest
            rows = parts(self.pool, rest, rest, left_over)[:3]
            found = [Split(whole.inputs[part], whole.labels[part]) for part in rows]
        pool, validation, test = found
        names = {"diningtable": "dining table", "pottedplant": "potted plant", "tvmonitor": "tv monitor"}
        return LabelledData(pool, validation, test, tuple(names.get(name, name) for name in CLASSES), templates=SIMPLE)

    def fingerprint(self) -> str:
        return fingerprint(self)


def _part(folder: Path, part: str) -> Split:
    """One list a class: the name of an image and 1 (there is one), 0 (a difficult one) or -1."""
    columns, names = [], None
    for name in CLASSES:
        file = folder / "ImageSets" / "Main" / f"{name}_{part}.txt"
        rows = [line.split() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
        if not all(len(row) == 2 and row[1] in ("-1", "0", "1") for row in rows):
            raise ValueError(f"{file}: every line must be a name and -1, 0 or 1")
        if names is not None and [row[0] for row in rows] != names:
            raise ValueError(f"{file} does not list the same images as that of {CLASSES[0]}")
        names = [row[0] for row in rows]
        columns.append([row[1] == "1" for row in rows])
    assert names is not None
    images = FolderImages(folder / "JPEGImages", [f"{name}.jpg" for name in names])
    return Split(ImageFiles(images), np.array(columns, dtype=np.int64).T)
