"""CIFAR-10: 50,000 + 10,000 colour images of 32 x 32 pixels, in ten classes."""

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
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
    "batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
}


@datasets.register("cifar10")
@dataclass(frozen=True)
class CIFAR10(Dataset):
    """Pool: the 50,000 training images. Validation and test: the halves of the test images that LabelBench makes.

    Files: the folder `cifar-10-batches-py` of the archive for Python, in `$LBP_DATA/cifar10` or the cache folder.

    Parameters
    ----------
    root: the folder to read from instead.
    official: insist on the published files. False reads others in the same form.

    Source: A. Krizhevsky, Learning multiple layers of features from tiny images (2009).

    Example
    -------
    dataset: {name: cifar10, root: /data/cifar10}
    """

    title = "CIFAR-10"
    reference = Reference(("Krizhevsky",), 2009, "Learning multiple layers of features from tiny images")

    root: Annotated[Path | None, Infra(), Outside("files")] = None
    official: bool = True

    def load(self) -> LabelledData:
        return read(
            "cifar-10",
            self.root,
            MD5,
            self.official,
            train=[name for name in MD5 if name.startswith("data")],
            test="test_batch",
            meta="batches.meta",
            labels="labels",
            names="label_names",
        )

    def fingerprint(self) -> str:
        return fingerprint(self)
