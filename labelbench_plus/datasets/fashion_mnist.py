"""Fashion-MNIST: 60,000 + 10,000 grey images of 28 x 28 pixels of clothing, in ten classes."""

from __future__ import annotations

import gzip
import hashlib
import os
import tempfile
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated

import numpy as np

from labelbench_plus._torchvision_compat import prepare
from labelbench_plus.datasets import Dataset, LabelledData, Split, datasets
from labelbench_plus.datasets._files import places
from labelbench_plus.datasets._splits import stratified_split
from labelbench_plus.features.hashing import hash_arrays
from labelbench_plus.plugins import Infra, Outside
from labelbench_plus.reference import Reference

SIZES = (55_000, 5_000)
SPLIT_SEED = 0
CLASS_NAMES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"
)  # fmt: skip
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")

# SHA-256 of the official files' decompressed content: MNIST and its other relatives use the same names
CONTENT = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}


@datasets.register("fashion_mnist")
@dataclass(frozen=True)
class FashionMNIST(Dataset):
    """Pool 55,000 and validation 5,000 of the official training part, stratified; the official test part.

    The four official files, gzipped or not, are looked for in, and then in `FashionMNIST/raw` of:

    1. `root`, if it is given, and nowhere else;
    2. `$LBP_DATA/fashion-mnist`, if that variable is set;
    3. `/usr/share/datasets/fashion-mnist`, where Debian's package `dataset-fashion-mnist` puts them;
    4. `fashion-mnist` in the cache folder (`~/.cache/labelbench_plus`).

    Parameters
    ----------
    root: the folder to read from instead.
    download: fetch what is not found through torchvision, into `root`, `$LBP_DATA` or the cache folder.

    Source: Xiao, Rasul, Vollgraf, arXiv 1708.07747 (2017). MIT licence.

    Example
    -------
    dataset: {name: fashion_mnist, download: true}
    """

    title = "Fashion-MNIST"
    reference = Reference(("Xiao", "Rasul", "Vollgraf"), 2017, arxiv="1708.07747")

    root: Annotated[Path | None, Infra(), Outside("files")] = None
    download: Annotated[bool, Infra(), Outside("the network")] = False

    def load(self) -> LabelledData:
        """Read the official files, checked against their published content.

        Raises
        ------
        FileNotFoundError
            They are nowhere; the message lists the places and the ways to get them.
        ValueError
            A file is damaged or something else under the same name.
        """
        content = {name: _read(name, file) for name, file in self._locate().items()}
        train, test = (
            Split(content[f"{part}-images-idx3-ubyte"], content[f"{part}-labels-idx1-ubyte"].astype(np.int64))
            for part in ("train", "t10k")
        )
        pool, validation = (Split(train.inputs[part], train.labels[part]) for part in _split(train.labels))
        return LabelledData(pool, validation, test, CLASS_NAMES)

    def fingerprint(self) -> str:
        """Hash of the published content, which `load` insists on, and of the split: needs the labels alone."""
        return _fingerprint(self)

    def _locate(self) -> dict[str, Path]:
        looked = places("fashion-mnist", self.root, DEBIAN_FOLDER)
        for place in looked:
            for folder in (place, place / "FashionMNIST" / "raw"):
                if len(files := _files(folder)) == len(CONTENT):
                    return files
        if self.download:
            target = looked[-1] if looked[0] == DEBIAN_FOLDER else looked[0]
            _download(target)
            return _files(target)
        raise FileNotFoundError(
            f"Fashion-MNIST is not on this machine (looked in {', '.join(map(str, looked))}). "
            "Three ways to get it: (1) on Debian or Ubuntu: apt-get install dataset-fashion-mnist; (2) put its "
            "four files (train-images-idx3-ubyte.gz, ...) into a folder and name it with root: FOLDER, or put "
            "them into $LBP_DATA/fashion-mnist; (3) have it downloaded with download: true"
        )


@cache
def _fingerprint(dataset: FashionMNIST) -> str:
    name = "train-labels-idx1-ubyte"
    pool, validation = _split(_read(name, dataset._locate()[name]))
    content = np.frombuffer(" ".join(CONTENT.values()).encode(), dtype=np.uint8)
    return hash_arrays({"content": content, "pool": pool, "validation": validation})


def _split(labels: np.ndarray) -> tuple[np.ndarray, ...]:
    return stratified_split(labels, SIZES, SPLIT_SEED)


def _files(folder: Path) -> dict[str, Path]:
    """Those of the official files that are in a folder; of two copies the one that is not gzipped."""
    return {name: file for name in CONTENT for file in (folder / f"{name}.gz", folder / name) if file.is_file()}


def _read(name: str, file: Path) -> np.ndarray:
    """One file in idx format: two zeros, type, number of axes, their lengths (big-endian), the bytes."""
    try:
        raw = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(f"{file} is damaged ({error}); download it again") from error
    if hashlib.sha256(raw).hexdigest() != CONTENT[name]:
        raise ValueError(
            f"{file} does not hold what Fashion-MNIST's {name} holds: it is damaged, or from another data set "
            f"(MNIST's files have the same names); download it again"
        )
    axes = raw[3]
    shape = np.frombuffer(raw, dtype=">u4", count=axes, offset=4)
    return np.frombuffer(raw, dtype=np.uint8, offset=4 + 4 * axes).reshape(shape).copy()


def _download(target: Path) -> None:
    """Fetch the files beside their place and move them in one by one: what is in place is whole."""
    prepare()
    from torchvision.datasets import FashionMNIST as Source

    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".download-", dir=target) as folder:
        try:
            Source(folder, download=True)
        except Exception as error:  # torchvision lets all kinds of network errors through
            raise FileNotFoundError(f"Fashion-MNIST could not be downloaded to {target}: {error}") from error
        for name in CONTENT:
            os.replace(Path(folder) / "FashionMNIST" / "raw" / f"{name}.gz", target / f"{name}.gz")
