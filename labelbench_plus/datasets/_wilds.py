"""Data sets of WILDS (Koh et al., 2021), read through its package: labels, splits and groups are as it has them."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from labelbench_plus.datasets import LabelledData, Split
from labelbench_plus.datasets._files import folder_with
from labelbench_plus.inputs.image_files import FolderImages, ImageFiles

Shift = Literal["id", "ood"]


def read(
    name: str,
    title: str,
    version: str,
    root: Path | None,
    shift: Shift,
    *,
    files: Callable[[Any], tuple[Path, Sequence[str]]],
    groups: Callable[[Any], np.ndarray],
    class_names: Callable[[Any], tuple[str, ...]],
    templates: tuple[str, ...],
) -> LabelledData:
    """Pool: the training part. Validation and test: the official ones of the same domains ("id") or of others ("ood").

    Parameters
    ----------
    name, title, version: of the data set in the package, on paper, and of the files.
    files, groups, class_names: of the package's data set; where its images lie, the group of each, the classes' names.

    Raises
    ------
    ModuleNotFoundError
        The package is not installed.
    FileNotFoundError
        The data are nowhere; the message lists the ways to get them.
    """
    inner = f"{name}_v{version}"
    folder = folder_with(
        title,
        name,
        root,
        [inner],
        [
            'with a network: python -c "import wilds; '
            f"wilds.get_dataset('{name}', root_dir='FOLDER', download=True)\"",
            f"get the archive from https://wilds.stanford.edu/downloads and unpack it into FOLDER/{inner}",
        ],
    )
    try:
        package = importlib.import_module("wilds")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{title} is read by the package wilds, which is not installed: pip install 'labelbench-plus[wilds]'"
        ) from error
    found = package.get_dataset(dataset=name, version=version, root_dir=str(folder), download=False)
    images = ImageFiles(FolderImages(*files(found)))
    labels = np.asarray(found.y_array, dtype=np.int64)
    group = groups(found).astype(np.int64)

    def split(part: str) -> Split:
        rows = np.flatnonzero(np.asarray(found.split_array) == found.split_dict[part])
        return Split(images[rows], labels[rows], group[rows])

    pool, validation, test = map(split, ("train", *(("id_val", "id_test") if shift == "id" else ("val", "test"))))
    return LabelledData(pool, validation, test, class_names(found), templates=templates)


def metadata(found: Any, field: str) -> np.ndarray:
    """One column (n,) of what the package knows of each example."""
    return np.asarray(found.metadata_array[:, found.metadata_fields.index(field)])
