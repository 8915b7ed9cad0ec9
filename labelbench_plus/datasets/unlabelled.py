"""Bring your own images or texts, of which most have no label yet."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from annotated_types import MinLen

from labelbench_plus.contracts.datasets import UNKNOWN
from labelbench_plus.datasets import Dataset, LabelledData, Split, datasets
from labelbench_plus.datasets._files import fingerprint
from labelbench_plus.datasets._image_tree import EXTENSIONS, tree
from labelbench_plus.inputs.image_files import FolderImages, ImageFiles
from labelbench_plus.inputs.plain_json import JsonRefused, read
from labelbench_plus.inputs.texts import Texts
from labelbench_plus.plugins import Infra, Outside


@datasets.register("unlabelled")
@dataclass(frozen=True)
class Unlabelled(Dataset):
    """Your own images or texts, to be labelled as far as a strategy asks for it, by the problem's annotator.

    Images: every image below the folder `pool`. Those in a folder of it that is called like a class have that class.
    Texts: a file `pool` of JSON lines, each with `text`, and `label` where it is known. What has a label already is
    handed to every trainer, and counts beside the budget.

    Without a `test` part nothing can be scored: a run then only buys labels, and trains on them.

    Parameters
    ----------
    pool: the folder, or the file. Where it lies does not count, but names and content do.
    classes: of which each item is one.
    test: labelled examples that are scored on: a folder with a folder a class, or a file of JSON lines with labels.

    Example
    -------
    dataset: {name: unlabelled, pool: photos, classes: [cat, dog], test: checked_photos}
    """

    title = "Your own items, to be labelled"

    pool: Annotated[Path, Infra(), Outside("files")]
    classes: Annotated[tuple[str, ...], MinLen(2)]
    test: Annotated[Path | None, Infra(), Outside("files")] = None

    def __post_init__(self) -> None:
        if len(set(self.classes)) < len(self.classes):
            raise ValueError(f"classes: each once, got {', '.join(self.classes)}")

    def load(self) -> LabelledData:
        """List the files, or read the texts.

        Raises
        ------
        FileNotFoundError
            A folder or file is not there, or has nothing in it.
        ValueError
            A label is none of the classes, or the test part is of another form than the pool.
        """
        pool = self._part(self.pool.expanduser(), all_labelled=False)
        nothing = Split(pool.inputs[:0], pool.labels[:0])
        test = nothing if self.test is None else self._part(self.test.expanduser(), all_labelled=True)
        if type(test.inputs) is not type(pool.inputs):
            raise ValueError(f"{self.test}: expected what {self.pool} has: images in folders, or a file of texts")
        return LabelledData(pool, nothing, test, self.classes)

    def fingerprint(self) -> str:
        return fingerprint(self)

    def beside(self) -> Mapping[str, int]:
        given = int((self.load().pool.labels != UNKNOWN).sum())
        return {"labels to start with": given} if given else {}

    def _part(self, path: Path, *, all_labelled: bool) -> Split:
        if path.is_dir():
            if all_labelled:
                return tree(path, self.classes).split()
            names = sorted(
                (Path(place) / file).relative_to(path).as_posix()
                for place, _, files in os.walk(path, followlinks=True)
                for file in files
                if file.lower().endswith(EXTENSIONS) and not file.startswith(".")
            )
            labels = [self._class(name.partition("/")[0]) if "/" in name else UNKNOWN for name in names]
            inputs: ImageFiles | Texts = ImageFiles(FolderImages(path, names))
        elif path.is_file():
            texts, labels = self._lines(path, all_labelled)
            inputs = Texts(texts)
        else:
            raise FileNotFoundError(f"{path}: no such folder of images, or file of JSON lines")
        if not len(inputs):
            raise FileNotFoundError(f"{path} has nothing in it to be labelled")
        return Split(inputs, np.array(labels, dtype=np.int64))

    def _lines(self, path: Path, all_labelled: bool) -> tuple[list[str], list[int]]:
        """The texts in a file, and the classes of those that have one."""
        texts, labels = list[str](), list[int]()
        for number, line in enumerate(path.read_bytes().splitlines(), 1):
            if not line.strip():
                continue
            try:
                said = read(line)
            except JsonRefused as error:
                raise ValueError(f"{path}: line {number}: {error}") from error
            if not isinstance(said, dict) or not isinstance(said.get("text"), str):
                raise ValueError(f"{path}: line {number}: expected an object with 'text', a string, and maybe 'label'")
            label = said.get("label")
            texts.append(said["text"])
            labels.append(UNKNOWN if label is None else self._class(label))
            if labels[-1] == UNKNOWN and (label is not None or all_labelled):
                raise ValueError(f"{path}: line {number}: label {label!r} is none of {', '.join(self.classes)}")
        return texts, labels

    def _class(self, name: str) -> int:
        return self.classes.index(name) if name in self.classes else UNKNOWN
