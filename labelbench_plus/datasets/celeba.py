"""CelebA: 202,599 faces of celebrities with forty attributes each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np

from labelbench_plus.datasets import Dataset, LabelledData, Split, datasets
from labelbench_plus.datasets._files import fingerprint, folder_with
from labelbench_plus.inputs.image_files import FolderImages, ImageFiles
from labelbench_plus.plugins import Infra, Outside
from labelbench_plus.reference import Reference

ATTRIBUTES, PARTITION, IMAGES = "list_attr_celeba.txt", "list_eval_partition.txt", "img_align_celeba"


@datasets.register("celeba")
@dataclass(frozen=True)
class CelebA(Dataset):
    """Multi-label: the official parts, 162,770 / 19,867 / 19,962; label k is whether a face has attribute k.

    Files: `list_attr_celeba.txt`, `list_eval_partition.txt` and the folder `img_align_celeba`, in `$LBP_DATA/celeba`
    or the cache folder. For the problem `multilabel`.

    Parameters
    ----------
    root: the folder to read from instead.

    Source: Liu, Luo, Wang, Tang, Deep learning face attributes in the wild, ICCV 2015.

    Example
    -------
    dataset: {name: celeba, root: /data/celeba}
    """

    title = "CelebA"
    reference = Reference(
        ("Liu", "Luo", "Wang", "Tang"), 2015, "Deep learning face attributes in the wild", venue="ICCV"
    )

    root: Annotated[Path | None, Infra(), Outside("files")] = None

    def load(self) -> LabelledData:
        """Read the tables, list the files.

        Raises
        ------
        FileNotFoundError
            They are nowhere; the message lists the ways to get them.
        ValueError
            A table is damaged, or they are not about the same images.
        """
        folder = folder_with(
            "CelebA",
            "celeba",
            self.root,
            [ATTRIBUTES, PARTITION, IMAGES],
            [
                "get Img/img_align_celeba.zip (unpack it), Anno/list_attr_celeba.txt and Eval/list_eval_partition.txt "
                "from https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
            ],
        )
        count, header, *rows = (folder / ATTRIBUTES).read_text(encoding="utf-8").splitlines()
        attributes = header.split()
        cells = [row.split() for row in rows if row]
        if not count.strip().isdecimal() or int(count) != len(cells):
            raise ValueError(f"{folder / ATTRIBUTES} says that it has {count.strip()!r} rows, it has {len(cells)}")
        values = np.array([row[1:] for row in cells if len(row) == 1 + len(attributes)])
        if values.shape != (len(cells), len(attributes)) or not np.isin(values, ("1", "-1")).all():
            raise ValueError(f"{folder / ATTRIBUTES} must have a name and {len(attributes)} times 1 or -1 in each row")
        labels = (values == "1").astype(np.int64)
        partition = dict(row.split() for row in (folder / PARTITION).read_text(encoding="utf-8").splitlines() if row)
        if partition.keys() != {row[0] for row in cells} or not set(partition.values()) <= {"0", "1", "2"}:
            raise ValueError(
                f"{folder / PARTITION} must say 0, 1 or 2 of exactly the images that {ATTRIBUTES} is about"
            )
        part_of = np.array([int(partition[row[0]]) for row in cells])
        images = ImageFiles(FolderImages(folder / IMAGES, [row[0] for row in cells]))
        pool, validation, test = (
            Split(images[rows], labels[rows]) for rows in (np.flatnonzero(part_of == part) for part in range(3))
        )
        return LabelledData(pool, validation, test, tuple(name.replace("_", " ") for name in attributes))

    def fingerprint(self) -> str:
        return fingerprint(self)
