"""ImageNet (ILSVRC 2012): 1,281,167 + 50,000 photographs in a thousand classes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np

from labelbench_plus._torchvision_compat import prepare
from labelbench_plus.datasets import Dataset, LabelledData, Split, datasets
from labelbench_plus.datasets._files import fingerprint, not_here, places
from labelbench_plus.datasets._image_tree import tree
from labelbench_plus.datasets._labelbench_splits import quarter_and_rest
from labelbench_plus.inputs.image_files import ImageFiles, ParquetImages
from labelbench_plus.inputs.prompts import IMAGENET
from labelbench_plus.plugins import Infra, Outside
from labelbench_plus.reference import Reference


@datasets.register("imagenet")
@dataclass(frozen=True)
class ImageNet(Dataset):
    """Pool: the training images. Validation and test: the validation images, divided 1 : 3 as LabelBench does.

    Two forms are read, from `$LBP_DATA/imagenet` or the cache folder:

    * a tree, `train/n01440764/*.JPEG` and `val/n01440764/*.JPEG`, as `ImageFolder` has it. No development kit is
      needed, but the validation images must have been moved into the folders of their classes;
    * parquet, `train-*.parquet` and `validation-*.parquet` with the columns `image` and `label`, there or in the folder
      `data`, as the Hugging Face hub has it. The pool is in the order of the files; the validation images are put into
      the order of the tree (by class and name) before they are divided.

    Classes are numbered in the order of their WordNet ids. Names: those in `class_names` if given; else those that the
    parquet files carry, of several for one class the first; else the first WordNet name of each, which timm knows.

    Parameters
    ----------
    root: the folder to read from instead.
    class_names: a text file with one name a line, in the order of the classes. LabelBench's are those of CLIP, which
        open_clip has as `zero_shot_metadata.IMAGENET_CLASSNAMES`.

    Source: Russakovsky et al., ImageNet large scale visual recognition challenge, IJCV 115 (2015).

    Example
    -------
    dataset: {name: imagenet, root: /data/imagenet}
    """

    title = "ImageNet"
    reference = Reference(
        ("Russakovsky", "others"), 2015, "ImageNet large scale visual recognition challenge", venue="IJCV"
    )

    root: Annotated[Path | None, Infra(), Outside("files")] = None
    class_names: Annotated[Path | None, Infra(), Outside("files")] = None

    def load(self) -> LabelledData:
        """List the files; read labels and names.

        Raises
        ------
        FileNotFoundError
            They are nowhere; the message lists the ways to get them.
        ValueError
            Training and validation part do not fit together, or names do not fit them.
        """
        looked = places("imagenet", self.root)
        found = next(filter(None, (_read(folder) for place in looked for folder in (place, place / "data"))), None)
        if found is None:
            raise not_here(
                "ImageNet",
                "imagenet",
                looked,
                "train/CLASS/*.JPEG and val/CLASS/*.JPEG, or train-*.parquet and validation-*.parquet",
                [
                    "with an account, from https://image-net.org (ILSVRC 2012, tasks 1 and 2); move the validation "
                    "images into folders of their classes",
                    "with an account, from the Hugging Face hub: hf download --repo-type dataset "
                    "ILSVRC/imagenet-1k --local-dir FOLDER",
                ],
            )
        pool, rest, names = found
        if self.class_names is not None:
            names = tuple(self.class_names.expanduser().read_text(encoding="utf-8").splitlines())
        classes = 1 + int(max(pool.labels.max(), rest.labels.max()))
        if len(names) != classes:
            raise ValueError(f"ImageNet: there are {classes} classes and {len(names)} class names")
        validation, test = (Split(rest.inputs[part], rest.labels[part]) for part in quarter_and_rest(len(rest.labels)))
        return LabelledData(pool, validation, test, names, templates=IMAGENET)

    def fingerprint(self) -> str:
        return fingerprint(self)


def _read(folder: Path) -> tuple[Split, Split, tuple[str, ...]] | None:
    """Training part, validation part and names of classes, if the folder has either form."""
    if (folder / "train").is_dir() and (folder / "val").is_dir():
        return _read_tree(folder)
    train, validation = (sorted(folder.glob(f"{part}-*.parquet")) for part in ("train", "validation"))
    return _read_parquet(train, validation) if train and validation else None


def _read_tree(folder: Path) -> tuple[Split, Split, tuple[str, ...]]:
    prepare()
    from timm.data import ImageNetInfo

    train = tree(folder / "train")
    rest = tree(folder / "val", train.classes)
    info = ImageNetInfo()
    known = set(info.label_names())
    names = (info.label_name_to_description(name).split(", ")[0] if name in known else name for name in train.classes)
    return train.split(), rest.split(), tuple(names)


def _read_parquet(train: Sequence[Path], validation: Sequence[Path]) -> tuple[Split, Split, tuple[str, ...]]:
    import pyarrow.parquet as pq

    pool, rest = (Split(ImageFiles(ParquetImages(files)), _column(files, "label")) for files in (train, validation))
    order = np.lexsort((_column(validation, "image.path").astype(str), rest.labels))
    written = json.loads((pq.read_schema(train[0]).metadata or {}).get(b"huggingface", b"{}"))
    names = written.get("info", {}).get("features", {}).get("label", {}).get("names")
    if names is None:
        names = map(str, range(1 + int(max(pool.labels.max(), rest.labels.max()))))
    return pool, Split(rest.inputs[order], rest.labels[order]), tuple(str(name).split(", ")[0] for name in names)


def _column(files: Sequence[Path], name: str) -> np.ndarray:
    """All values of a column, or of one field of a column of structs ("image.path")."""
    import pyarrow.parquet as pq

    column, _, field = name.partition(".")
    parts = []
    for file in files:
        with pq.ParquetFile(file) as opened:
            table = opened.read(columns=[name])
        if column not in table.column_names:
            raise ValueError(f"{file} has no column {name}")
        values = table.column(column).combine_chunks()
        parts.append((values.field(field) if field else values).to_numpy(zero_copy_only=False))
    return np.concatenate(parts)
