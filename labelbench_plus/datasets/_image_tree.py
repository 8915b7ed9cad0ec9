"""Folders of images, one folder a class."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from labelbench_plus.datasets import Split
from labelbench_plus.inputs.image_files import FolderImages, ImageFiles

EXTENSIONS = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")


@dataclass(frozen=True)
class Tree:
    """What a folder holds: `names` of the images relative to `folder`, and `labels` (n,) into `classes`."""

    folder: Path
    names: tuple[str, ...]
    labels: np.ndarray
    classes: tuple[str, ...]

    @cached_property
    def images(self) -> ImageFiles:
        return ImageFiles(FolderImages(self.folder, self.names))

    def split(self, rows: np.ndarray | None = None) -> Split:
        """Some of the images with their classes, or all."""
        return Split(self.images, self.labels) if rows is None else Split(self.images[rows], self.labels[rows])


def tree(folder: Path, classes: Sequence[str] | None = None, extensions: Sequence[str] = EXTENSIONS) -> Tree:
    """List the images below `folder/CLASS`, in the order of torchvision's `ImageFolder`.

    Classes come in the order of their names, the images of a class in the order of their folders and names. Names that
    begin with a dot are left out.

    Parameters
    ----------
    classes: the folders to read, if not all. One that is not there has no images.

    Raises
    ------
    FileNotFoundError
        There are no images.
    ValueError
        There is a folder of images that `classes` does not have.
    """
    found = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith("."))
    if classes is not None and (unknown := [name for name in found if name not in set(classes)]):
        raise ValueError(f"{folder} has folders for classes that the pool has not: {', '.join(unknown[:5])}")
    classes = found if classes is None else list(classes)
    names: list[str] = []
    counts = []
    for name in classes:
        of_class = _images(folder, name, extensions)
        names += of_class
        counts.append(len(of_class))
    if not names:
        raise FileNotFoundError(
            f"{folder} holds no images; expected {folder}/CLASS/NAME with one of {', '.join(extensions)}"
        )
    return Tree(folder, tuple(names), np.repeat(np.arange(len(classes)), counts), tuple(classes))


def _images(folder: Path, name: str, extensions: Sequence[str]) -> list[str]:
    found = []
    for place, _, files in sorted(os.walk(folder / name, followlinks=True)):
        below = Path(place).relative_to(folder).as_posix()
        found += [
            f"{below}/{file}"
            for file in sorted(files)
            if file.lower().endswith(tuple(extensions)) and not file.startswith(".")
        ]
    return found
