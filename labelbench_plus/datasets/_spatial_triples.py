"""What'sUp's rows of photographs that were taken for something else: a right and a wrong caption of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from labelbench_plus.datasets import LabelledData
from labelbench_plus.datasets._files import folder_with
from labelbench_plus.datasets._questions import POSITIONS, divided, kind_names, split_of
from labelbench_plus.inputs.question_files import Row, read_triples


def spatial_triples(
    title: str,
    name: str,
    root: Path | None,
    files: Sequence[str],
    images: str,
    image_name: Callable[[Any], str],
    shares: tuple[float, float],
) -> LabelledData:
    """Such a data set, divided by photographs.

    Parameters
    ----------
    title, name, root: as of `folder_with`.
    files: JSON lists. images: the folder of the photographs. image_name: see `read_triples`.
    shares: of validation and test.
    """
    ways = [
        f"get the data that https://github.com/amitakamath/whatsup_vlms points to, and its photographs into {images}"
    ]
    folder = folder_with(title, name, root, [*files, images], ways, below=("data",))
    rows: list[Row] = []
    for file in files:
        path = folder / file
        try:
            read = read_triples(path.read_bytes(), image_name)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        rows += read.rows(path)
    kinds = kind_names(rows)
    parts = divided(rows, [row.image for row in rows], shares)
    pool, validation, test = (
        split_of(some, folder / images, f"{name} {part}", kinds)
        for some, part in zip(parts, ("pool", "validation", "test"), strict=True)
    )
    return LabelledData(pool, validation, test, POSITIONS[:2], kind_names=kinds)
