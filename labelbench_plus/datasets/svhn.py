"""SVHN: 73,257 + 26,032 colour images of 32 x 32 pixels, house numbers cut into digits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np

from labelbench_plus.datasets import Dataset, LabelledData, Split, datasets
from labelbench_plus.datasets._files import check_md5, fingerprint, folder_with
from labelbench_plus.datasets._labelbench_splits import halves
from labelbench_plus.plugins import Infra, Outside
from labelbench_plus.reference import Reference

MD5 = {
    "train_32x32.mat": "e26dedcc434d2e4c54c9b2d4a06d8373",
    "test_32x32.mat": "eb5a983be6a315427106f1b164d9cef3",
}
TEMPLATES = ('a photo of the number: "{}".',)


@datasets.register("svhn")
@dataclass(frozen=True)
class SVHN(Dataset):
    """Pool: the 73,257 training images. Validation and test: the halves of the test images that LabelBench makes.

    Class k is the digit k (the files call the zero 10). LabelBench has neither names nor prompts for them; the prompt
    here is CLIP's. Files: `train_32x32.mat` and `test_32x32.mat`, in `$LBP_DATA/svhn` or the cache folder.

    Parameters
    ----------
    root: the folder to read from instead.
    official: insist on the published files. False reads others in the same form.

    Source: Netzer et al., Reading digits in natural images with unsupervised feature learning (2011).

    Example
    -------
    dataset: {name: svhn, root: /data/svhn}
    """

    title = "SVHN"
    reference = Reference(
        ("Netzer", "others"), 2011, "Reading digits in natural images with unsupervised feature learning"
    )
    mirror_keeps_class = False

    root: Annotated[Path | None, Infra(), Outside("files")] = None
    official: bool = True

    def load(self) -> LabelledData:
        """Read the files.

        Raises
        ------
        FileNotFoundError
            They are nowhere; the message lists the ways to get them.
        ValueError
            A file is damaged or of something else.
        """
        folder = folder_with(
            "SVHN",
            "svhn",
            self.root,
            list(MD5),
            [
                "get train_32x32.mat and test_32x32.mat (format 2, cropped digits) from "
                "http://ufldl.stanford.edu/housenumbers/"
            ],
        )
        if self.official:
            for file, expected in MD5.items():
                check_md5(folder / file, expected)
        pool, rest = (_read(folder / file) for file in MD5)
        validation, test = (Split(rest.array[part], rest.labels[part]) for part in halves(len(rest.labels)))
        return LabelledData(pool, validation, test, tuple("0123456789"), templates=TEMPLATES)

    def fingerprint(self) -> str:
        return fingerprint(self)


def _read(file: Path) -> Split:
    """A Matlab file with X (32, 32, 3, n) and y (n, 1) in 1..10."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        content = loadmat(file)
        images, labels = content["X"], content["y"].reshape(-1).astype(np.int64)
    except (LookupError, ValueError, TypeError, OSError, NotImplementedError, MatReadError) as error:
        raise ValueError(f"{file} is not a file of SVHN, or damaged ({error})") from error
    if images.dtype != np.uint8 or images.shape != (32, 32, 3, len(labels)):
        raise ValueError(f"{file}: X must be uint8 {(32, 32, 3, len(labels))}, got {images.dtype} {images.shape}")
    if labels.min(initial=1) < 1 or labels.max(initial=1) > 10:
        raise ValueError(f"{file}: y must lie in 1..10, got {labels.min()}..{labels.max()}")
    return Split(np.ascontiguousarray(images.transpose(3, 0, 1, 2)), labels % 10)
