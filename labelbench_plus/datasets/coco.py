"""MS COCO: photographs in which eighty kinds of objects occur."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np

from labelbench_plus.datasets import Dataset, LabelledData, Split, datasets
from labelbench_plus.datasets._files import fingerprint, folder_with
from labelbench_plus.datasets._labelbench_splits import quarter_and_rest
from labelbench_plus.inputs.image_files import FolderImages, ImageFiles
from labelbench_plus.inputs.prompts import SIMPLE
from labelbench_plus.plugins import Infra, Outside
from labelbench_plus.reference import Reference


@datasets.register("coco")
@dataclass(frozen=True)
class COCO(Dataset):
    """Multi-label: label k is whether an object of class k is in the picture. Classes are in the order of their names.

    Pool: the training images. Validation and test: the validation images, divided 1 : 3 as LabelBench does. Images
    without any object are left out, as there. Files: `annotations/instances_train2014.json`,
    `annotations/instances_val2014.json` and the folders `train2014` and `val2014`, in `$LBP_DATA/coco` or the cache
    folder. For the problem `multilabel`.

    Parameters
    ----------
    year: which division of the images; LabelBench's is 2014.
    root: the folder to read from instead.

    Source: Lin et al., Microsoft COCO: common objects in context, ECCV 2014.

    Example
    -------
    dataset: {name: coco, year: 2017, root: /data/coco}
    """

    title = "MS COCO"
    reference = Reference(("Lin", "others"), 2014, "Microsoft COCO: common objects in context", venue="ECCV")

    year: Literal[2014, 2017] = 2014
    root: Annotated[Path | None, Infra(), Outside("files")] = None

    def load(self) -> LabelledData:
        """Read the annotations, list the files.

        Raises
        ------
        FileNotFoundError
            They are nowhere; the message lists the ways to get them.
        ValueError
            Annotations are damaged, or have other classes than those of the pool.
        """
        lists = {f"{part}{self.year}": f"annotations/instances_{part}{self.year}.json" for part in ("train", "val")}
        folder = folder_with(
            f"COCO {self.year}",
            "coco",
            self.root,
            [*lists, *lists.values()],
            [f"get the images and annotations of {self.year} from https://cocodataset.org and unpack them"],
        )
        (pool, classes), (rest, others) = (_part(folder / part, folder / file) for part, file in lists.items())
        if classes != others:
            raise ValueError(f"{folder / 'annotations'}: training and validation images have other classes")
        validation, test = (Split(rest.inputs[part], rest.labels[part]) for part in quarter_and_rest(len(rest.labels)))
        return LabelledData(pool, validation, test, classes, templates=SIMPLE)

    def fingerprint(self) -> str:
        return fingerprint(self)


def _part(images: Path, annotations: Path) -> tuple[Split, tuple[str, ...]]:
    try:
        content: dict[str, Any] = json.loads(annotations.read_text(encoding="utf-8"))
        ordered = sorted(content["categories"], key=lambda category: category["name"])
        column = {category["id"]: k for k, category in enumerate(ordered)}
        row = {image["id"]: i for i, image in enumerate(content["images"])}
        labels = np.zeros((len(row), len(column)), dtype=np.int64)
        for annotation in content["annotations"]:
            labels[row[annotation["image_id"]], column[annotation["category_id"]]] = 1
        names = [image["file_name"] for image in content["images"]]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{annotations} is not a list of COCO's instances, or damaged ({error!r})") from error
    shown = np.flatnonzero(labels.any(axis=1))
    return Split(ImageFiles(FolderImages(images, names), shown), labels[shown]), tuple(c["name"] for c in ordered)
