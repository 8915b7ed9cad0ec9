"""Kuzushiji-49: 232,365 + 38,547 grey images of 28 x 28 pixels, old Japanese handwriting, in 49 classes."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np

from labelbench_plus.datasets import Dataset, LabelledData, Split, datasets
from labelbench_plus.datasets._files import fingerprint, folder_with
from labelbench_plus.datasets._labelbench_splits import halves
from labelbench_plus.inputs.prompts import SIMPLE
from labelbench_plus.plugins import Infra, Outside
from labelbench_plus.reference import Reference

# In the order of their code points, as the data set's k49_classmap.csv has them: 48 hiragana and the iteration mark.
CLASS_NAMES = tuple(
    "あいうえおかきくけこさしすせそたちつてとなにぬねのはひふへほまみむめもやゆよらりるれろわゐゑをんゝ"
)


@datasets.register("kuzushiji49")
@dataclass(frozen=True)
class Kuzushiji49(Dataset):
    """Pool: all 232,365 training images. Validation and test: halves of the test images, drawn as LabelBench draws.

    LabelBench itself uses the first tenth of either part, shuffled. Files: `k49-train-imgs.npz`,
    `k49-train-labels.npz`, `k49-test-imgs.npz` and `k49-test-labels.npz`, in `$LBP_DATA/kuzushiji49` or the cache
    folder.

    Parameters
    ----------
    root: the folder to read from instead.

    Source: Clanuwat et al., Deep learning for classical Japanese literature, arXiv 1812.01718 (2018). CC BY-SA 4.0.

    Example
    -------
    dataset: {name: kuzushiji49, root: /data/kuzushiji49}
    """

    title = "Kuzushiji-49"
    reference = Reference(
        ("Clanuwat", "others"), 2018, "Deep learning for classical Japanese literature", arxiv="1812.01718"
    )
    mirror_keeps_class = False

    root: Annotated[Path | None, Infra(), Outside("files")] = None

    def load(self) -> LabelledData:
        """Read the files.

        Raises
        ------
        FileNotFoundError
            They are nowhere; the message lists the ways to get them.
        ValueError
            A file is damaged or of something else.
        """
        files = [f"k49-{part}-{what}.npz" for part in ("train", "test") for what in ("imgs", "labels")]
        folder = folder_with(
            "Kuzushiji-49",
            "kuzushiji49",
            self.root,
            files,
            ["get the four .npz files of Kuzushiji-49 from http://codh.rois.ac.jp/kmnist/"],
        )
        pool, rest = (_read(folder / f"k49-{part}-imgs.npz", folder / f"k49-{part}-labels.npz") for part in PARTS)
        validation, test = (Split(rest.array[part], rest.labels[part]) for part in halves(len(rest.labels)))
        return LabelledData(pool, validation, test, CLASS_NAMES, templates=SIMPLE)

    def fingerprint(self) -> str:
        return fingerprint(self)


PARTS = ("train", "test")


def _read(images: Path, labels: Path) -> Split:
    pixels, classes = _array(images), _array(labels)
    if pixels.dtype != np.uint8 or pixels.shape != (len(classes), 28, 28):
        raise ValueError(f"{images}: expected uint8 {(len(classes), 28, 28)}, got {pixels.dtype} {pixels.shape}")
    if classes.ndim != 1 or classes.dtype.kind not in "iu" or classes.max(initial=0) >= len(CLASS_NAMES):
        raise ValueError(f"{labels}: expected integers (n,) in 0..{len(CLASS_NAMES) - 1}")
    return Split(pixels, classes.astype(np.int64))


def _array(file: Path) -> np.ndarray:
    try:
        with np.load(file, allow_pickle=False) as content:
            return np.asarray(content["arr_0"])
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError, OSError) as error:
        raise ValueError(f"{file} is not a file of Kuzushiji-49, or damaged ({error})") from error
