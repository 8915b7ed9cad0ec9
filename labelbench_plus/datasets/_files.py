"""Where the files of a data set lie, whether they are the official ones, and what identifies what was read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from labelbench_plus.datasets import Dataset
from labelbench_plus.features.hashing import hash_labelled_data
from labelbench_plus.store.artefacts import default_cache_dir


def places(name: str, root: Path | None, *usual: Path) -> list[Path]:
    """Folders to look in, in order.

    `root` and nowhere else if it is given; else `$LBP_DATA/name` if that variable is set, the `usual` ones, and
    `name` in the cache folder.
    """
    if root is not None:
        return [root.expanduser()]
    chosen = os.environ.get("LBP_DATA")
    return [
        *([Path(chosen).expanduser() / name] if chosen else []),
        *usual,
        default_cache_dir() / name,
    ]


def folder_with(
    title: str, name: str, root: Path | None, wanted: Sequence[str], ways: Sequence[str], below: Sequence[str] = ()
) -> Path:
    """The first folder that holds everything `wanted`: a place, or one of the folders `below` it.

    Parameters
    ----------
    title, name: what people call the data, and their folder below `$LBP_DATA`.
    wanted: files and folders, relative to the folder sought.
    ways: how to get the data; the message adds where to put them.

    Raises
    ------
    FileNotFoundError
        There is none; the message says where was looked, what is missing and every way to get it.
    """
    looked = places(name, root)
    for place in looked:
        for folder in (place, *(place / sub for sub in below)):
            if all((folder / item).exists() for item in wanted):
                return folder
    raise not_here(title, name, looked, f"{', '.join(wanted[:3])}{', ...' if len(wanted) > 3 else ''}", ways)


def not_here(title: str, name: str, looked: Sequence[Path], wanted: str, ways: Sequence[str]) -> FileNotFoundError:
    """The error for data that are nowhere."""
    every = [*ways, f"have a folder with {wanted}: name it with root: FOLDER, or make it $LBP_DATA/{name}"]
    numbered = "; ".join(f"({number}) {way}" for number, way in enumerate(every, start=1))
    return FileNotFoundError(
        f"{title} is not on this machine (looked in {', '.join(map(str, looked))}). Ways to get it: {numbered}"
    )


def check_md5(file: Path, expected: str) -> None:
    """Refuse a file that is not the published one.

    Raises
    ------
    ValueError
        Its MD5 sum is another; the message names the file.
    """
    with open(file, "rb") as opened:
        found = hashlib.file_digest(opened, "md5").hexdigest()
    if found != expected:
        raise ValueError(
            f"{file} is not the published file (MD5 {found}, published {expected}): it is damaged or of another data "
            "set; get it again, or say official: false if it is meant to be another"
        )


def fingerprint(dataset: Dataset) -> str:
    """Hash of what a data set loads, found once a process, and again where its `state` says that it was changed."""
    return _fingerprint(dataset, dataset.state())


@cache
def _fingerprint(dataset: Dataset, state: tuple[int, ...]) -> str:
    return hash_labelled_data(dataset.load())
