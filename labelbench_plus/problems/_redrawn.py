"""The examples of a table, divided anew by each seed."""

from __future__ import annotations

import numpy as np

from labelbench_plus.contracts.conditions import Part, Setting
from labelbench_plus.contracts.datasets import UNKNOWN, LabelledData
from labelbench_plus.datasets._splits import stratified_split
from labelbench_plus.features.encoded import PARTS
from labelbench_plus.inputs.forms import form_of
from labelbench_plus.seeding import Streams


def redrawn(data: LabelledData, streams: Streams) -> Setting:
    """The problem without conditions: parts of the data set's sizes, each with its share of every class.

    Rows count all examples: those of the pool, then of the validation part, then of the test part. How many of a class
    a part gets depends on the data alone, so all seeds have as many.
    """
    labels = np.concatenate([getattr(data, part).labels for part in PARTS])
    sizes = [len(getattr(data, part).labels) for part in PARTS]
    rows = iter(stratified_split(labels, [size for size in sizes if size], int(streams.rng("resplit").integers(2**63))))
    parts = [next(rows) if size else np.arange(0) for size in sizes]
    pool, validation, test = (Part(part, labels[part]) for part in parts)
    return Setting(pool, pool.labels, np.ones(len(pool.rows)), validation, test, data.class_names)


def check_redrawn(data: LabelledData, named: str) -> None:
    """Refuse a data set whose examples cannot change places.

    Raises
    ------
    ValueError
        Its inputs are no vectors, or something is known of some parts' examples alone; the message says what.
    """
    if (form := form_of(data.pool.inputs)) != "vectors":
        raise ValueError(f"resplit: it is for data sets of vectors, {named!r} has {form}; leave it out")
    public = [*sorted(data.columns), *(["prices"] if data.pool_prices is not None else [])]
    if public:
        raise ValueError(
            f"resplit: data set {named!r} has {', '.join(public)} of its pool's examples alone, so no others can come "
            "into the pool"
        )
    if data.test.groups is not None or data.test.kinds is not None:
        raise ValueError(
            f"resplit: data set {named!r} has groups or kinds of its test examples, whose split is its own"
        )
    if (data.pool.labels == UNKNOWN).any():
        raise ValueError(f"resplit: data set {named!r} has items without labels, which can only lie in the pool")
