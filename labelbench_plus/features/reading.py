"""Reading all of a data set once, to say everything that is wrong with it rather than the first thing."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from labelbench_plus.contracts.datasets import LabelledData, Split
from labelbench_plus.inputs.forms import form_of
from labelbench_plus.inputs.image_files import ImageFiles, UnreadableInput
from labelbench_plus.inputs.questions import Questions

PARTS = ("pool", "validation", "test")


@dataclass
class Found:
    """What a data set holds, and what is wrong with it.

    Attributes
    ----------
    facts: lines about what is there. faults: what cannot be read or used, one line each.
    """

    facts: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def read_all(data: LabelledData, told: Callable[[int, int], None] = lambda done, of: None) -> Found:
    """Read every example of every part.

    Parameters
    ----------
    told: called with how many examples are read and how many there are.
    """
    found, sizes = Found(), set[tuple[int, int]]()
    parts = {name: getattr(data, name) for name in PARTS}
    total, done = sum(len(part.labels) for part in parts.values()), 0
    counts = ", ".join(f"{name} {len(part.labels):,}" for name, part in parts.items())
    found.facts.append(f"{total:,} examples ({counts}): {form_of(data.pool.inputs) or 'inputs of another form'}")
    for name, part in parts.items():
        for fault, size in _read(part):
            done += 1
            if fault:
                found.faults.append(f"{name}: {fault}")
            if size:
                sizes.add(size)
            if not done % 50 or done == total:
                told(done, total)
    if sizes:
        low, high = min(sizes), max(sizes)
        found.facts.append(f"height x width: {low[0]} x {low[1]} to {high[0]} x {high[1]}" if low != high else
                           f"height x width: {low[0]} x {low[1]}, all of them")  # fmt: skip
    if data.class_names and data.pool.labels.ndim == 1:
        found.facts.append(_classes(data))
    if isinstance(data.test.inputs, Questions):
        found.facts.append(floors(data))
    return found


def floors(data: LabelledData) -> str:
    """What answers score on the test set of questions that look at no picture: one option always, or any of them."""
    shares = np.bincount(data.test.labels, minlength=len(data.class_names)) / max(len(data.test.labels), 1)
    always = ", ".join(f"always {name!r} {share:.1%}" for name, share in zip(data.class_names, shares, strict=True))
    return f"without looking, on the test set: {always}; by chance {1 / len(data.class_names):.1%}"


def _read(part: Split) -> Iterator[tuple[str, tuple[int, int] | None]]:
    """Of each example what is wrong, empty if nothing, and its height and width if it is an image in a file."""
    inputs = part.inputs.images if isinstance(part.inputs, Questions) else part.inputs
    if isinstance(inputs, ImageFiles):
        cores = os.cpu_count() or 1
        with ThreadPoolExecutor(cores) as threads:
            for start in range(0, len(inputs), 16 * cores):  # no more are in memory
                rows = range(start, min(start + 16 * cores, len(inputs)))
                yield from threads.map(lambda row: _decoded(inputs, row), rows)
        return
    bad: set[int] = set()
    if isinstance(inputs, np.ndarray) and inputs.dtype.kind == "f":
        bad = set(np.flatnonzero(~np.isfinite(inputs).reshape(len(inputs), -1).all(axis=1)).tolist())
    for row in range(len(part.labels)):
        yield (f"example {row} is not finite" if row in bad else ""), None


def _decoded(images: ImageFiles, row: int) -> tuple[str, tuple[int, int] | None]:
    try:
        height, width, _ = images.decode(row).shape
    except UnreadableInput as error:
        return str(error), None
    return "", (height, width)


def _classes(data: LabelledData) -> str:
    """How many classes there are, and which are rarest in the pool."""
    counts = Counter(data.pool.labels.tolist())
    few = sorted(range(len(data.class_names)), key=lambda k: (counts[k], k))[:3]
    rarest = ", ".join(f"{data.class_names[k]} {counts[k]:,}" for k in few)
    return f"{len(data.class_names)} classes; rarest in the pool: {rarest}"
