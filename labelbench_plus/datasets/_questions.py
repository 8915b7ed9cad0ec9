"""What data sets of questions about pictures share: from rows of files to parts with shuffled options."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from labelbench_plus.datasets import Split
from labelbench_plus.inputs.image_files import FolderImages, ImageFiles
from labelbench_plus.inputs.question_files import Row
from labelbench_plus.inputs.questions import Questions, shuffled
from labelbench_plus.inputs.texts import Texts
from labelbench_plus.seeding import Streams

SEED = 0
POSITIONS = ("first option", "second option", "third option", "fourth option")
SET = 4  # captions that one set of photographs shares, one right for each
SIDEWAYS = ("left", "right")


def kind_names(rows: Sequence[Row]) -> tuple[str, ...]:
    """Every relation that occurs, sorted; questions that speak of none are of the kind "other"."""
    return tuple(sorted({row.relation or "other" for row in rows}))


def split_of(rows: Sequence[Row], folder: Path, part: str, kinds: Sequence[str], *, shuffle: bool = True) -> Split:
    """Rows as a part: their pictures lie below `folder`, and labels say which option is right.

    Parameters
    ----------
    part: names the draw by which options are shuffled, the same for every run.
    kinds: as of `kind_names`.
    shuffle: leave it out where all questions have the same options, whose order says nothing.
    """
    options, right = [row.options for row in rows], np.array([row.right for row in rows], dtype=np.int64)
    if shuffle:
        options, right = shuffled(options, right, Streams(SEED).rng(f"options of {part}"))
    images = ImageFiles(FolderImages(folder, [row.image for row in rows]))
    numbers = {kind: number for number, kind in enumerate(kinds)}
    of_kind = np.array([numbers[row.relation or "other"] for row in rows], dtype=np.int64)
    return Split(Questions(images, Texts(row.text for row in rows), options), right, kinds=of_kind)


def pairs_of(rows: Sequence[Row]) -> np.ndarray:
    """(n,) which pair each row is of, −1 if of none: set i, four rows with the same captions of which each is right
    once, has the pairs 2i, where the right caption says left or right, and 2i + 1 of the two others."""
    sets: dict[tuple[str, ...], list[int]] = {}
    for place, row in enumerate(rows):
        sets.setdefault(tuple(sorted(row.options)), []).append(place)
    found = np.full(len(rows), -1, dtype=np.int64)
    whole = [places for places in sets.values() if len({rows[p].options[rows[p].right] for p in places}) == SET]
    for number, places in enumerate(whole):
        if len(places) == SET:
            for place in places:
                sideways = any(f" {word} " in f" {rows[place].options[rows[place].right]} " for word in SIDEWAYS)
                found[place] = 2 * number + (not sideways)
    return found


def divided(rows: Sequence[Row], together: Sequence[object], shares: tuple[float, float]) -> tuple[list[Row], ...]:
    """Pool, validation and test of rows that come undivided, at random, the same way for every run.

    Parameters
    ----------
    together: rows that are equal here come into the same part.
    shares: of validation and test.

    Raises
    ------
    ValueError
        The pool or the test set would be empty.
    """
    names = list(dict.fromkeys(together))
    order = Streams(SEED).rng("parts of questions").permutation(len(names))
    test, validation = round(shares[1] * len(names)), round(shares[0] * len(names))
    where = {names[which]: 2 if place < test else 1 if place < test + validation else 0
             for place, which in enumerate(order.tolist())}  # fmt: skip
    parts: tuple[list[Row], ...] = ([], [], [])
    for row, group in zip(rows, together, strict=True):
        parts[where[group]].append(row)
    if not parts[0] or not parts[2]:
        raise ValueError(f"{len(names)} groups of questions leave the pool or the test set empty with shares {shares}")
    return parts
