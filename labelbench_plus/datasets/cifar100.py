"""CIFAR-100: 50,000 + 10,000 colour images of 32 x 32 pixels, in a hundred classes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from labelbench_plus.datasets import Dataset, LabelledData, datasets
from labelbench_plus.datasets._cifar import read
from labelbench_plus.datasets._files import fingerprint
from labelbench_plus.plugins import Infra, Outside
from labelbench_plus.reference import Reference

MD5 = {
    "train": "16019d7e3df5f24257cddd939b257f8d",
    "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
    "meta": "7973b15100ade9c7d40fb424638fde48",
}


@datasets.register("cifar100")
@dataclass(frozen=True)
class CIFAR100(Dataset):
    """Pool: the 50,000 training images. Validation and test: the halves of the test images that LabelBench makes.

    The classes are the fine ones. Files: the folder `cifar-100-python` of the archive for Python, in
    `$LBP_DATA/cifar100` or the cache folder.

    Parameters
    ----------
    root: the folder to read from instead.
    official: insist on the published files. False reads others in the same form.

    Source: A. Krizhevsky, Learning multiple layers of features from tiny images (2009).

    Example
    -------
    dataset: {name: cifar100, root: /data/cifar100}
    """

    title = "CIFAR-100"
    reference = Reference(("Krizhevsky",), 2009, "Learning multiple layers of features from tiny images")

    root: Annotated[Path | None, Infra(), Outside("files")] = None
    official: bool = True

    def load(self) -> LabelledData:
        return read(
            "cifar-100",
            self.root,
            MD5,
            self.official,
            train=["train"],
            test="test",
            meta="meta",
            labels="fine_labels",
            names="fine_label_names",
        )

    def fingerprint(self) -> str:
        return fingerprint(self)
