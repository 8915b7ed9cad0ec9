"""Tables of the Hugging Face hub, or in its form on disk, through the package `datasets`."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any


def table(
    reader: str,
    hub: str | None,
    folder: Path | None,
    config: str | None,
    revision: str | None,
    files: tuple[str, ...] = (),
) -> Any:
    """What the package `datasets` makes of a name on the hub or of a folder: splits by name.

    Parameters
    ----------
    reader: who wants it, for messages.
    hub, folder: one of them.
    files: the names of those that are read, as one split `train`; all that the package finds if left out.

    Raises
    ------
    ModuleNotFoundError
        The package is not installed.
    FileNotFoundError
        The data cannot be had; the message lists the ways to get them.
    ValueError
        Not exactly one of `hub` and `folder`; the folder cannot be read.
    """
    if (hub is None) == (folder is None):
        raise ValueError(f"{reader}: give either `hub`, a name there, or `folder`")
    chosen = list(files) or None
    try:
        package = importlib.import_module("datasets")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{reader} needs the package datasets: pip install 'labelbench-plus[hugging-face]'"
        ) from error
    refused = (OSError, ValueError, package.exceptions.DatasetsError)  # how it says missing, offline, unreadable
    if folder is not None:
        folder = folder.expanduser()
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder}: no such folder")
        try:
            saved = (folder / "dataset_dict.json").is_file()
            if saved:
                return package.load_from_disk(str(folder))
            return package.load_dataset(str(folder), config, data_files=chosen)
        except refused as error:
            raise ValueError(f"{folder} is no data set that the package datasets can read: {error}") from error
    try:
        return package.load_dataset(hub, config, data_files=chosen, revision=revision)
    except refused as error:
        raise FileNotFoundError(
            f"data set {hub} cannot be had: {type(error).__name__}: {error}. Ways to get it: (1) with a network, "
            "by its name on the hub; it then stays in the hub's cache, which HF_HOME names and which can be copied "
            "to a machine without one; (2) there, datasets.load_dataset(NAME).save_to_disk(FOLDER), and folder: "
            "FOLDER here; (3) hf download --repo-type dataset NAME --local-dir FOLDER, and folder: FOLDER here"
        ) from error
