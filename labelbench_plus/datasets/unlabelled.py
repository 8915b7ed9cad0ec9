"""Bring your own images or texts, of which most have no label yet."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import MinLen

from labelbench_plus.contracts.datasets import UNKNOWN
from labelbench_plus.datasets import Dataset, LabelledData, Split, datasets
from labelbench_plus.datasets._files import fingerprint
from labelbench_plus.datasets._image_tree import EXTENSIONS, tree
from labelbench_plus.inputs.image_files import FolderImages, ImageFiles
from labelbench_plus.inputs.plain_json import JsonRefused, read
from labelbench_plus.inputs.texts import Texts
from labelbench_plus.plugins import Infra, Outside, Since


@datasets.register("unlabelled")
@dataclass(frozen=True)
class Unlabelled(Dataset):
    """Your own images or texts, to be labelled as far as a strategy asks for it, by the problem's annotator.

    Images: every image below the folder `pool`. Those in a folder of it that is called like a class have that class.
    Images or texts: a file `pool` of JSON lines, each with `text`, or `image`, a path below the file's folder; and
    `label` where it is known. Every trainer gets the items that are labelled already, and they count beside the budget.

    Where any number of the classes may be true of an item, which is for problem `multilabel`, a line has `labels`, a
    list, and what folders are called says nothing.

    Without a `test` part nothing can be scored: a run then only buys labels, and trains on them.

    Parameters
    ----------
    pool: the folder or file. Its path is not part of a run's identity, but names and content are.
    classes: of which each item is one.
    test: labelled examples that are scored on: a folder with a folder a class, or a file of JSON lines with labels.
    several: whether any number of the classes may be true of an item.

    Example
    -------
    dataset: {name: unlabelled, pool: photos, classes: [cat, dog], test: checked_photos}
    """

    title = "Your own items, to be labelled"

    pool: Annotated[Path, Infra(), Outside("files")]
    classes: Annotated[tuple[str, ...], MinLen(2)]
    test: Annotated[Path | None, Infra(), Outside("files")] = None
    several: Annotated[bool, Since("0.1")] = False

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
            raise ValueError(f"{self.test}: expected what {self.pool} has: images, or texts")
        return LabelledData(pool, nothing, test, self.classes)

    def fingerprint(self) -> str:
        return fingerprint(self)

    def beside(self) -> Mapping[str, int]:
        labels = self.load().pool.labels
        given = int((labels.reshape(len(labels), -1) != UNKNOWN).all(axis=1).sum())
        return {"labels to start with": given} if given else {}

    def _part(self, path: Path, *, all_labelled: bool) -> Split:
        if path.is_dir():
            found = self._folder(path, all_labelled)
        elif path.is_file():
            found = self._lines(path, all_labelled)
        else:
            raise FileNotFoundError(f"{path}: no such folder of images, or file of JSON lines")
        if not len(found.inputs):
            raise FileNotFoundError(f"{path} has nothing in it to be labelled")
        return found

    def _folder(self, path: Path, all_labelled: bool) -> Split:
        """The images below a folder, with the classes that their folders are called by."""
        if all_labelled and self.several:
            raise ValueError(f"{path}: expected a file of JSON lines with 'labels', as several may be true of an image")
        if all_labelled:
            return tree(path, self.classes).split()
        names = sorted(
            (Path(place) / file).relative_to(path).as_posix()
            for place, _, files in os.walk(path, followlinks=True)
            for file in files
            if file.lower().endswith(EXTENSIONS) and not file.startswith(".")
        )
        inputs = ImageFiles(FolderImages(path, names))
        if self.several:
            return Split(inputs, np.full((len(names), len(self.classes)), UNKNOWN))
        labels = [self._class(name.partition("/")[0]) if "/" in name else UNKNOWN for name in names]
        return Split(inputs, np.array(labels, dtype=np.int64))

    def _lines(self, path: Path, all_labelled: bool) -> Split:
        """The texts in a file, or the images that it names, with the labels of those that have some."""
        said: dict[str, list[str]] = {"text": [], "image": []}
        labels = list[Any]()
        for number, line in enumerate(path.read_bytes().splitlines(), 1):
            if not line.strip():
                continue
            where = f"{path}: line {number}"
            try:
                item = read(line)
            except JsonRefused as error:
                raise ValueError(f"{where}: {error}") from error
            kinds = [kind for kind in said if isinstance(item, dict) and isinstance(item.get(kind), str)]
            if len(kinds) != 1:
                raise ValueError(f"{where}: expected an object with 'text' or 'image', a string, and maybe labels")
            said[kinds[0]].append(item[kinds[0]])
            labels.append(self._labels(item, where, all_labelled))
        if said["text"] and said["image"]:
            raise ValueError(f"{path}: expected texts or images, got {len(said['text'])} and {len(said['image'])}")
        for name in said["image"]:
            if not (path.parent / name).is_file():
                raise FileNotFoundError(f"{path}: there is no image {path.parent / name}")
        inputs = ImageFiles(FolderImages(path.parent, said["image"])) if said["image"] else Texts(said["text"])
        return Split(inputs, np.array(labels, dtype=np.int64))

    def _labels(self, item: dict[str, Any], where: str, all_labelled: bool) -> Any:
        """A line's class; or 0 or 1 of each class; `UNKNOWN` where it says nothing."""
        name = "labels" if self.several else "label"
        other = "label" if self.several else "labels"
        said = item.get(name)
        if item.get(other) is not None:
            raise ValueError(f"{where}: expected {name!r}, got {other!r}; `several` says which of the two a line has")
        if said is None and not all_labelled:
            return [UNKNOWN] * len(self.classes) if self.several else UNKNOWN
        names = said if self.several else [said]
        if not isinstance(names, list) or (wrong := [each for each in names if each not in self.classes]):
            got = wrong[0] if isinstance(names, list) else names
            raise ValueError(f"{where}: label {got!r} is none of {', '.join(self.classes)}")
        return [int(each in names) for each in self.classes] if self.several else self._class(names[0])

    def _class(self, name: str) -> int:
        return self.classes.index(name) if name in self.classes else UNKNOWN
